"""Settings, where they come from, and where things live. Only service and cli load them."""
