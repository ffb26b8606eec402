"""What the bot sends on its own account, as pure rules: definitions, states, errors, waves and rest hours."""
