"""Single-point changes of the product's source, and whether the tests notice them."""
