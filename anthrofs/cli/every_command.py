"""All commands: for what lists them, and for a word that only all of them together can tell from a mistake."""

import anthrofs.cli.check_command
import anthrofs.cli.completion_command
import anthrofs.cli.config_command
import anthrofs.cli.desktop_command
import anthrofs.cli.discard_command
import anthrofs.cli.doctor_command
import anthrofs.cli.emulator_command
import anthrofs.cli.fleet_command
import anthrofs.cli.free_command
import anthrofs.cli.help_command
import anthrofs.cli.id_command
import anthrofs.cli.init_command
import anthrofs.cli.log_command
import anthrofs.cli.ls_command
import anthrofs.cli.mount_command
import anthrofs.cli.path_command
import anthrofs.cli.refresh_command
import anthrofs.cli.retry_command
import anthrofs.cli.service_command
import anthrofs.cli.states_command
import anthrofs.cli.status_command
import anthrofs.cli.sync_command
import anthrofs.cli.umount_command
import anthrofs.cli.version_command
import anthrofs.cli.web_command
