"""Letters: written (letters), owed (outbox) and handed over (delivery)."""
