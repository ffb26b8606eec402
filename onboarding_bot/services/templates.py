"""The command ``templates`` under the name that it had in the release before."""

from __future__ import annotations

from onboarding_bot.renamed_commands import become

if __name__ == "__main__":
    become("templates")
