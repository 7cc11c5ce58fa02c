"""One pattern of Durable Functions per module, each a blueprint `bp` that `function_app.py` registers."""
