"""What triggers the ordinary functions of an app, HTTP requests and times among it, and how they are called then."""
