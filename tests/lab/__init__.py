"""Test hosts behind real address translation, in network namespaces of this machine; root only."""
