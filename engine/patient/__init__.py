"""Who a patient is and what the feeds said about them."""
