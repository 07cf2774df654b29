"""From a checkpoint to the generator in production: export, registration, model card, aliases, ledger, promotion."""
