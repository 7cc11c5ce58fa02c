"""The same work by us and by our peers, in one run: `python -m benchmarks.peers`, or `make bench-peers`.

Every system does the same acts, each by the means that its own documents recommend (`systems`), and one piece of code
measures them all (`measuring`). Each act is run by a process of its own on a fresh store, in an environment that
holds one peer at a named version and nothing of ours (`environments`); rounds alternate between the systems
(`rounds`), so that what the machine does meanwhile meets all of them. What is compared with what, and what cannot be
compared, is in docs/benchmarks-peers.md.
"""
