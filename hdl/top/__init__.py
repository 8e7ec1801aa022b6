"""Top modules for boards whose processor system is the host, and their bus bridge."""
