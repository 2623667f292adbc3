"""Vendors' tools: environments of their own, the child-process contract, deaths and what log lines mean."""
