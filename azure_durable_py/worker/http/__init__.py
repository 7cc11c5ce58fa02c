"""The requests of `call_http`: the activity that makes one, and the network."""
