"""Free text: documents and reports as the feeds sent them."""
