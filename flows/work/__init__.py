"""What all verbs share: files, caches, inputs, processes."""
