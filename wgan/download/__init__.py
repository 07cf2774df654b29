"""Files from the network: fetched with retries and checks, and kept."""
