"""A file of settings without its secrets: what is an option is told, all else is only named."""

import pytest

from anthrofs.doctor.settings_page import command_told, place_told, told

SECRET = "hunter22"


def test_options_are_told_and_what_is_no_option_is_named_only() -> None:
    text = f'''# {SECRET}
[defaults]
upload = "queue"    # {SECRET}
store = "s3://me:{SECRET}@host/x?sig={SECRET}"
[profile.work]
directory = "~/work"
key_command = ["printf", "{SECRET}"]
keyfile = "{SECRET}"
pin = """
{SECRET}
"""
[profile.work.more]
words = ["{SECRET}"]
'''
    found = told(text)
    assert SECRET not in found
    for line in ('"upload" = "queue"', '"directory" = "~/work"', '"key_command" = "printf …"', '"keyfile" = "***"', '["profile"."work"."more"]'):
        assert line in found.splitlines()


@pytest.mark.parametrize("line", ['api_key = "{}', "{}", '"{}" = ', "key = {} {}"])
def test_of_one_that_makes_no_sense_the_names_are_told(line: str) -> None:
    found = told("[profile.work]\n" + line.format(*[SECRET] * 2) + "\nupload = queue\n")
    assert SECRET not in found
    assert "[profile.work]" in found
    assert "upload =" in found


def test_a_command_is_told_by_its_program() -> None:
    assert [command_told(words) for words in ("pass show x", ["pass"], "", [])] == ["pass …", "pass", "", ""]


@pytest.mark.parametrize("line", [f'{name} = "{SECRET}"' for name in (
    "fleet_key", "key_file", "base_url", "store", "board", "upload", "cache_size", "umask", "credential", "keyring", "login")]
    + [f'cache_size = ["{SECRET}"]', f'key_command = "PASS={SECRET} get"', f'key_command = ["PASS={SECRET}"]', f'[profile.work.key_command]\nx = "{SECRET}"'])
def test_a_value_that_its_option_does_not_take_is_not_told(line: str) -> None:
    assert SECRET not in told(f"[profile.work]\n{line}\n")


def test_a_line_of_a_pasted_key_is_no_name() -> None:
    found = told(f"[profile.work\n{SECRET}==\n[{SECRET}]\nkey_file = x\n")
    assert SECRET not in found
    assert "key_file =" in found


def test_a_place_is_told_and_what_is_none_is_not() -> None:
    assert [place_told(text) for text in ("/etc/key", "~/key", SECRET)] == ["/etc/key", "~/key", "***"]
