"""E-mail: letters from templates, MIME messages, and delivery by SMTP or to a folder."""
