"""Still pictures by their headers: one module per format, each `read(reader) -> Picture`."""
