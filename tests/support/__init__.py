"""The harness that the suites share: a running system, its guests, staff and operators, and waits."""
