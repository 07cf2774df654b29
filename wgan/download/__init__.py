"""Downloads files with retries and checks, and caches them."""
