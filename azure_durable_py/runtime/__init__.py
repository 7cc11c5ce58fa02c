"""The pure runtime: replays orchestrator functions over histories. No I/O, no asyncio, no clock of its own."""
