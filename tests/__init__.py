"""Tests: real sockets, real files, real processes."""
