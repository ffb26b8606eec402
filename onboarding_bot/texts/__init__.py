"""Every word that a person reads: one gettext catalogue for each language, checked when the bot starts."""
