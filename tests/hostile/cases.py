"""All kinds."""

from . import command_cases, config_cases, flag_cases, npz_cases, place_cases, python_cases, reader_cases, run_cases

CASES = [
    *python_cases.CASES,
    *flag_cases.CASES,
    *config_cases.CASES,
    *npz_cases.CASES,
    *run_cases.CASES,
    *place_cases.CASES,
    *command_cases.CASES,
    *reader_cases.CASES,
]
