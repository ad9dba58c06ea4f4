"""``python -m coral_plugin`` is ``coral``."""

import sys

from coral_plugin.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
