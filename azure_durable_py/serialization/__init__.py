"""Values of user code as JSON text, and back. It never imports a module because some data names it."""
