"""How gunicorn serves the bot from this folder: as the package says."""

import runpy

# gunicorn reads this file anew whenever it reloads; an import would give it the settings of the first time.
globals().update(runpy.run_module("onboarding_bot.gunicorn_config"))
