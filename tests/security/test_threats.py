"""The manual's pages `security` and `security-fleet` and the tests that play the attackers: neither without the other.

THREATS has each entry of the page, and the tests that it means: by their file below tests/, and their function.
"""

import ast
import re
from typing import Final

import pytest

from anthrofs.cli import manual
from tests.mounting import ROOT

ANSWERS, STATE, CANARY, OTHERS, TERMINAL, FLEET = (f"security/test_{name}.py" for name in ("answers", "state", "canary", "others", "terminal", "fleet"))
KEYS = "unit/fleet/test_keys.py"

THREATS: Final[dict[str, dict[str, list[str]]]] = {
    "Names from the server": {
        "mount/test_hostile_server.py": ["test_a_hostile_name_becomes_a_safe_entry_that_can_be_read_and_removed"],
        "unit/test_names.py": ["test_every_entry_is_a_safe_component", "test_every_path_has_safe_parts", "test_an_immense_name_takes_no_time"]},
    "Ids, types, sizes": {ANSWERS: [
        "test_an_id_that_a_terminal_would_obey_or_no_address_can_hold_is_none", "test_a_type_that_no_header_can_hold_is_none",
        "test_the_end_of_a_file_that_is_said_to_be_enormous_takes_no_memory_for_what_is_before_it"]},
    "Dates from elsewhere": {
        "unit/remote/test_dates.py": ["test_a_date_of_whoever_is_on_the_way_says_nothing_once_the_service_has_told"],
        "unit/sync/test_expirer.py": ["test_a_date_in_the_future_takes_no_file_away"]},
    "A body without an end, or one that unpacks to more than memory has": {ANSWERS: [
        "test_a_listing_without_an_end_is_cut_off_and_takes_no_more_memory_than_its_bound",
        "test_a_listing_that_unpacks_to_more_than_memory_has_is_refused", "test_a_body_that_drips_for_ever_ends_at_its_bound",
        "test_an_error_that_drips_for_ever_is_read_for_a_while_only", "test_interim_answers_for_ever_are_no_answer",
        "test_a_head_without_an_end_is_no_answer", "test_a_picture_without_an_end_is_not_the_file"]},
    "Redirects and the key": {
        "mount/test_redirects.py": ["test_a_files_bytes_may_lie_at_another_host_which_never_sees_the_key",
                                    "test_a_save_that_is_redirected_otherwise_fails_with_the_target_and_is_kept"],
        "unit/remote/test_redirects.py": ["test_a_redirect_that_isnt_followed_names_its_target",
                                          "test_only_a_files_bytes_may_lie_elsewhere_and_no_redirect_goes_on_for_ever"]},
    "A proxy that sees keys": {
        "mount/test_environment.py": ["test_a_proxy_that_isnt_there_or_refuses_is_named_without_its_password"],
        "security/test_proxy.py": ["test_a_proxy_that_says_nonsense_is_a_sentence", "test_a_proxy_that_takes_a_connection_and_says_nothing_holds_nobody"],
        "security/test_tls.py": ["test_a_proxy_sees_the_hosts_name_and_neither_key_nor_content_of_an_https_service"],
        "unit/settings/test_environment.py": ["test_a_base_url_by_which_everybody_sees_the_key_is_said"]},
    "Whom TLS trusts": {"security/test_tls.py": ["test_a_certificate_that_nobody_vouches_for_gets_no_request",
                                                 "test_a_certificate_of_another_host_gets_no_request"]},
    "Words that quote the key": {
        "mount/test_redirects.py": ["test_a_gateways_words_reach_the_user_without_the_key"],
        CANARY: ["test_secrets_are_nowhere_and_content_is_only_where_the_page_files_says"]},
    "The terminal": {TERMINAL: ["test_no_command_and_no_line_of_the_log_hands_such_a_name_to_a_terminal",
                                "test_a_path_is_spelled_on_a_terminal_and_is_itself_for_a_program"]},
    "The log": {TERMINAL: ["test_a_record_is_one_line_and_a_traceback_can_not_look_like_one"]},
    "Traces of the key and of content": {CANARY: ["test_secrets_are_nowhere_and_content_is_only_where_the_page_files_says",
                                                  "test_the_search_finds_what_it_is_for"], "mount/test_doctor.py": ["test_the_bundle_has_what_helps_and_no_secret"]},
    "Programs that the mount starts": {CANARY: ["test_the_program_that_libfuse_starts_gets_no_key", "test_the_demos_server_gets_no_key_and_listens_on_this_machine_only"]},
    "The demo and the emulator": {CANARY: ["test_the_demos_server_gets_no_key_and_listens_on_this_machine_only"]},
    "Core dumps and memory": {CANARY: ["test_a_crash_leaves_no_core",
                                       "test_not_even_this_users_other_programs_can_look_into_its_memory_and_environment"]},
    "A login, a key or a configuration that others can use": {
        "mount/test_credentials.py": ["test_a_profile_that_cant_be_used_is_a_sentence"],
        "unit/remote/test_key_sources.py": ["test_a_key_file_that_others_can_use_is_refused_and_the_command_that_mends_it_said",
                                            "test_a_command_sees_no_key_of_ours_and_all_that_it_needs", "test_a_command_that_fails_is_said_without_its_words"],
        "unit/settings/test_config_file.py": ["test_a_file_that_others_can_change_is_refused_for_it_can_name_commands", "test_another_users_file_is_refused"]},
    "Another user of this machine": {OTHERS: ["test_without_allow_other_nobody_else_gets_in"],
                                     STATE: ["test_a_state_is_private_whatever_the_umask"]},
    "allow_other": {OTHERS: ["test_with_allow_other_modes_say_what_others_may", "test_nothing_in_a_mount_is_ever_set_uid_or_a_device"]},
    "The control socket": {"fuzz/test_control.py": ["test_whatever_is_written_the_next_one_is_answered"], OTHERS: [
        "test_the_control_socket_answers_nobody_elses_programs_even_where_its_directory_is_open", "test_a_command_asks_no_other_users_program",
        "test_a_directory_that_only_says_that_it_is_a_mount_is_none"]},
    "The page of `anthrofs web`": {
        "mount/test_web.py": ["test_strangers_get_a_no_and_the_page_loads_nothing_from_elsewhere",
                              "test_another_users_program_is_cut_off_though_it_has_the_address", "test_a_browser_gets_the_address_and_no_key"],
        "programs/test_page.py": ["test_names_and_reasons_with_markup_are_text"],
        "unit/web/test_guard.py": ["test_everybody_else_stays_out"],
        "unit/web/test_peers.py": ["test_another_users_program_is_not_ours_and_ours_is_not_taken_for_roots"]},
    "A stolen state directory": {CANARY: ["test_secrets_are_nowhere_and_content_is_only_where_the_page_files_says"],
                                 STATE: ["test_a_state_is_private_whatever_the_umask"]},
    "A planted link, pipe or second name in the state": {
        STATE: ["test_a_state_that_others_could_read_is_closed_to_them", "test_what_another_user_has_put_in_the_place_of_ours_is_refused",
                "test_a_plant_in_the_place_of_the_index_or_the_lock_is_refused", "test_a_plant_in_the_place_of_a_directory_is_refused",
                "test_a_plant_in_the_place_of_the_moments_is_neither_read_nor_written", "test_a_plant_in_the_place_of_the_log_gets_no_line",
                "test_a_plant_in_the_place_of_a_stage_is_not_read_sent_or_cut",
                "test_a_plant_in_the_place_of_a_cached_file_is_neither_read_nor_written",
                "test_a_plant_in_the_place_of_a_kept_copys_sums_is_not_written"],
        "mount/test_bad_state_directory.py": ["test_strangers_in_a_state_are_left_alone_and_hang_nothing",
                                              "test_a_promised_content_that_somebody_has_replaced_is_neither_opened_nor_sent"],
        "mount/test_bad_state_gone.py": ["test_a_state_that_was_moved_is_said_and_goes_on_when_it_is_back"]},
    "A state that somebody has changed": {STATE: [
        "test_a_state_whose_index_was_made_to_name_another_file_is_refused_and_sends_nothing"]},
    "A planted link in place of the mount point": {"security/test_mount_point.py": [
        "test_a_plant_in_place_of_the_mount_point_is_refused_and_what_it_leads_to_is_left_alone",
        "test_a_link_is_resolved_once_and_the_mount_is_where_it_led_to_then"]},
    "A lock of a process that has ended": {"unit/store/test_state_dir.py": ["test_a_lock_file_of_ours_says_who_has_it_now"]},
    "Temporary files": {CANARY: ["test_secrets_are_nowhere_and_content_is_only_where_the_page_files_says"],
                        "mount/test_credentials.py": ["test_a_token_that_ends_is_renewed_before_and_programs_notice_nothing"]},
    "A state on a disk that is shared": {"unit/store/test_state_dir.py": ["test_a_file_system_without_locks_is_no_other_mount"]},
    "Packages of others": {"security/test_dependencies.py": ["test_what_a_mount_is_built_on_is_known", "test_what_is_installed_for_it_is_known",
                                                             "test_no_installed_version_has_an_advisory_and_an_old_list_is_said"]},
    "The units": {
        "unit/service/test_units.py": ["test_the_unit_leaves_no_core_and_takes_the_key_from_a_file", "test_the_machines_unit_is_as_closed_as_a_mount_lets_it_be",
                                       "test_no_user_writes_lines_into_a_unit"],
        "services/test_system_unit.py": ["test_its_mount_is_seen_by_all_and_its_process_can_do_nothing_but_mount",
                                         "test_it_never_runs_as_root_because_nobody_said_as_whom"],
        "security/test_mount_point.py": ["test_a_user_mounts_on_no_directory_of_another_also_with_the_right_to_mount"], "unit/remote/test_key_sources.py": ["test_a_command_gets_no_right_that_systemd_has_given_the_mount"]},
    "Words of mount(8)": {
        "unit/service/test_mount_helper.py": ["test_a_source_is_a_profile_or_a_file_with_the_key"],
        "services/test_mount_helper.py": ["test_a_file_with_the_key_is_a_source_and_nobody_sees_the_key", "test_roots_line_mounts_as_somebody_else"]},
    "Whoever reads a store or a board": {
        KEYS: ["test_what_is_sealed_opens_in_its_own_place_only", "test_two_seals_of_one_thing_differ"],
        FLEET: ["test_who_reads_store_and_board_learns_no_content_no_name_and_no_id"]},
    "Whoever writes to a store or a board": {
        "security/test_store.py": ["test_a_store_that_was_tampered_with_makes_a_file_missing_and_never_wrong",
                                   "test_what_is_put_over_a_planted_link_goes_nowhere_else"],
        "unit/fleet/test_page_notes.py": ["test_what_no_member_has_written_is_not_believed_and_said_once",
                                          "test_an_old_page_that_is_put_there_again_is_as_old_as_it_was"],
        "unit/fleet/test_seal.py": ["test_it_opens_at_no_other_place", "test_a_changed_byte_is_seen", "test_a_cut_one_and_a_longer_one_are_seen"],
        "unit/fleet/test_shelf.py": ["test_a_lie_is_never_content", "test_a_swapped_chunk_is_never_content", "test_a_squatted_chunk_is_healed"]},
    "A fleet's key": {
        KEYS: ["test_a_key_file_that_cant_be_used_is_a_sentence_that_quotes_nothing_of_it", "test_another_users_key_file_is_refused",
               "test_nothing_shows_a_secret"],
        "fleet/test_commands.py": ["test_a_key_file_that_cant_be_used_is_a_sentence_and_nothing_is_mounted"],
        FLEET: ["test_the_secrets_of_a_fleet_are_nowhere"]},
    "Passwords of store and board": {
        FLEET: ["test_the_secrets_of_a_fleet_are_nowhere", "test_a_wrong_password_is_said_and_not_quoted",
                "test_the_program_that_libfuse_starts_gets_no_secret_of_a_fleet",
                "test_a_board_that_repeats_the_password_makes_nobody_write_it_down",
                "test_a_store_that_repeats_the_credentials_makes_nobody_write_them_down"],
        "fleet/test_commands.py": ["test_an_address_with_a_secret_or_without_sense_is_a_sentence"],
        "unit/settings/test_fleet_options.py": ["test_what_makes_no_sense_is_a_sentence_without_secrets"]},
}


def entries() -> dict[str, str]:
    """The pages': name → text."""
    found = [each for page in ("security", "security-fleet")
             for each in re.findall(r"^- \*\*(.+?)\.\*\* (.+?)(?=\n- \*\*|\n\n|\Z)", manual.page(page), re.MULTILINE | re.DOTALL)]
    return {" ".join(name.split()): " ".join(text.split()) for name, text in found}


def test_the_page_and_the_map_have_the_same_threats() -> None:
    assert list(entries()) == list(THREATS)


@pytest.mark.parametrize("threat", THREATS)
def test_an_entry_names_the_files_of_its_tests(threat: str) -> None:
    _, said = entries()[threat].split(" Tests: ")
    assert sorted(re.findall(r"`([^`]+)`", said)) == sorted(THREATS[threat])


@pytest.mark.parametrize("threat", THREATS)
def test_each_of_its_tests_is_there(threat: str) -> None:
    for path, names in THREATS[threat].items():
        functions = {node.name for node in ast.walk(ast.parse((ROOT / "tests" / path).read_text())) if isinstance(node, ast.FunctionDef)}
        assert names
        assert set(names) <= functions, path


def test_every_test_here_plays_a_threat_of_the_page() -> None:
    """A file that no entry means would be an attack that the manual doesn't tell of."""
    meant = {path for tests in THREATS.values() for path in tests}
    files = {f"security/{path.name}" for path in (ROOT / "tests" / "security").glob("test_*.py")}
    assert files - meant == {"security/test_threats.py"}
