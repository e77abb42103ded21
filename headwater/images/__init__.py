"""Images: the training container, built once for each content of its build context."""
