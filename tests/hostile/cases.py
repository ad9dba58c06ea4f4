"""All kinds."""

from . import flag_cases, python_cases

CASES = [*python_cases.CASES, *flag_cases.CASES]
