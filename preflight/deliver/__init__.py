"""References to bytes: URLs over HTTP, or local paths, into a sparse map. The only stage that touches the network."""
