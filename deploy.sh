#!/usr/bin/env bash
# Installs, starts, checks and ships the bot; `./deploy.sh help` lists the verbs.
# Never prompts, and answers with its exit code: 0 done, 1 failed, 2 called wrongly.
set -euo pipefail

CALLED_FROM=$PWD
ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
VENV=.venv
PYTHON=$VENV/bin/python
SETUP_LOG=var/log/setup.log
# Each contains the ones before it, so an environment made from a later one serves the earlier ones too.
LOCKS=(requirements.lock requirements-demo.lock requirements-dev.lock)
IMAGE=msmebazaar-whatsapp-bot
HEALTHY_WITHIN_SECONDS=120
RESTORE_PORT=7379

help() {
  cat <<'TEXT'
Usage: ./deploy.sh VERB

On a fresh machine (needs Python 3.11 or newer, and PyPI the first time)
  demo           start everything here: Redis, the bot, its worker, a simulator of WhatsApp; Ctrl-C ends it
  test [ARGS]    run the whole test suite; ARGS go to pytest
  check          style, types, layers, shell scripts, alerts, known vulnerabilities, docs in step, coverage
  install        make .venv with all that is needed to develop
  lock [--upgrade]
                 make the lock files from requirements*.txt; --upgrade takes the newest versions that these allow

In production
  env            check the settings and list every fault
  doctor         check Twilio's credentials, and send a signed request through PUBLIC_BASE_URL
  templates sync [--dry-run]
                 create and submit the WhatsApp templates, and show where each stands
  serve          run the bot and its worker on this host, without Docker
  health         ask the running bot how it is
  stats          show the running bot's figures (needs ADMIN_API_KEY)
  catch-up --since SPAN [--dry-run]
                 after an outage of up to 24h: write once to everybody whom nobody answered
  consent review [--dry-run]
                 once after an upgrade: take back the yeses to service messages that rest on no name, let the others count
  breach-list --by NAME [--since MOMENT]
                 everybody whose data are kept, also after STOP, as CSV; the audit line goes to standard error
  backup [FILE]  write down all that Redis holds, while everything runs; without FILE into var/backups, where old ones go
  restore FILE [--erasures LOG]...
                 bring a backup into an empty Redis, without the people who were erased since

With Docker Compose
  deploy         build, start, wait until healthy; goes back to the previous image otherwise
  start          start what was built
  stop           stop everything, keep the data
  restart        start anew with the settings as they are now
  logs [ARGS]    show the logs; ARGS go to docker compose logs (-f follows)
  clean [--volumes]
                 remove containers and images; with --volumes the stored data as well

  help           this text
TEXT
}

say() { printf '%s\n' "$*"; }

warn() {
  local red='' plain=''
  if [[ -t 2 && -z ${NO_COLOR-} ]]; then red=$'\033[31m' plain=$'\033[0m'; fi
  printf '%sdeploy.sh: %s%s\n' "$red" "$*" "$plain" >&2
}

fail() {
  warn "$@"
  exit 1
}

misused() {
  warn "$@"
  help >&2
  exit 2
}

# --- running things so that a signal ends them ---------------------------------------------------------------------

# Bash handles a signal only after the command in the foreground has ended, and the command may never hear of it. So the
# command gets a process group of its own and is waited for, and the signal is passed on to all of the group.
run_endable() {
  local child status=0
  trap 'end_group "${!-}" 129' HUP
  trap 'end_group "${!-}" 130' INT
  trap 'end_group "${!-}" 143' TERM
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child" || status=$?
  trap - HUP INT TERM
  return "$status"
}

end_group() {
  local group=$1 status=$2
  trap '' HUP INT TERM
  if [[ -n $group ]]; then
    kill -TERM -- "-$group" 2>/dev/null || true
    wait "$group" 2>/dev/null || true
  fi
  exit "$status"
}

# --- the Python environment ----------------------------------------------------------------------------------------

# Prints the first Python that is new enough and able to make an environment.
find_python() {
  local candidate version_only=''
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
    version_only=${version_only:-$candidate}
  done
  if [[ -n $version_only ]]; then
    fail "$version_only has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)"
  fi
  fail "Python 3.11 or newer is needed, and none was found: install it, or put it on the PATH"
}

# The hash of a lock file and those that it contains.
fingerprint() {
  local lock files=()
  for lock in "${LOCKS[@]}"; do
    files+=("$lock")
    [[ $lock != "$1" ]] || break
  done
  cat "${files[@]}" | cksum | tr -d ' '
}

stamp_of() { printf '%s/.installed-%s' "$VENV" "$1"; }

# Whether the environment holds what the lock file names: it was finished for it or for one that contains it.
is_ready() {
  local lock reached='' stamp
  "$PYTHON" -c '' 2>/dev/null || return 1
  for lock in "${LOCKS[@]}"; do
    [[ $lock != "$1" ]] || reached=yes
    [[ -n $reached ]] || continue
    stamp=$(stamp_of "$lock")
    if [[ -f $stamp && $(<"$stamp") == "$(fingerprint "$lock")" ]]; then return 0; fi
  done
  return 1
}

# Makes or completes the environment for a lock file; does nothing when it is ready.
prepare() {
  if is_ready "$1"; then return; fi
  local python
  python=$(find_python)
  mkdir -p "$(dirname "$SETUP_LOG")"
  # One set-up at a time in this folder; the lock goes when the last process that holds descriptor 9 ends.
  exec 9>var/setup.lock
  run_endable "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
  is_ready "$1" || install_into_venv "$python" "$1"
  exec 9>&-
}

install_into_venv() {
  local python=$1 lock=$2 unfinished=$VENV/.unfinished
  say "Installing $lock into $VENV (about a minute, once)"
  : >"$SETUP_LOG"
  # A set-up that was cut short, or a Python that has gone: there is nothing to build on.
  if [[ -e $unfinished ]] || ! "$PYTHON" -c '' 2>/dev/null; then rm -rf "$VENV"; fi
  mkdir -p "$VENV"
  touch "$unfinished"
  if [[ ! -x $PYTHON ]]; then
    run_endable "$python" -m venv "$VENV" >>"$SETUP_LOG" 2>&1 ||
      fail "the environment $VENV could not be made; the reason stands in $SETUP_LOG"
  fi
  PIP_RETRIES=${PIP_RETRIES:-2} run_endable "$PYTHON" -m pip install --no-input --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement "$lock" >>"$SETUP_LOG" 2>&1 ||
    fail "$lock could not be installed: is PyPI within reach? The details stand in $SETUP_LOG"
  fingerprint "$lock" >"$(stamp_of "$lock")"
  rm "$unfinished"
}

# --- on this machine -----------------------------------------------------------------------------------------------

run_demo() {
  prepare requirements-demo.lock
  exec "$PYTHON" -m simulator.demo
}

# Three processes on two cores, because many tests wait for servers; in the order of the folders, which puts those that
# take long before those that are many.
run_test() {
  prepare requirements-dev.lock
  exec "$PYTHON" -m pytest --quiet --numprocesses 3 --dist loadfile --no-loadscope-reorder "$@"
}

run_lock() {
  prepare requirements-dev.lock
  run_endable "$PYTHON" -m dependencies.lock "$@"
}

run_check() {
  prepare requirements-dev.lock
  local failed=()
  step "style" "$PYTHON" -m ruff check . || failed+=(style)
  step "formatting" "$PYTHON" -m ruff format --check . || failed+=(formatting)
  step "types" "$PYTHON" -m mypy || failed+=(types)
  step "layers" "$PYTHON" -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' || failed+=(layers)
  step "shell scripts" check_shell_scripts || failed+=("shell scripts")
  step "alerts" check_alerts || failed+=(alerts)
  step "known vulnerabilities" "$PYTHON" -m dependencies.audit || failed+=("known vulnerabilities")
  step "docs in step, coverage" check_coverage || failed+=("docs in step, coverage")
  [[ ${#failed[@]} -eq 0 ]] || fail "these checks failed: $(join ', ' "${failed[@]}")"
  say "All checks passed."
}

step() {
  local title=$1
  shift
  say "== $title"
  run_endable "$@"
}

join() {
  local separator=$1 text=$2 item
  shift 2
  for item in "$@"; do text+=$separator$item; done
  printf '%s' "$text"
}

check_shell_scripts() {
  if command -v shellcheck >/dev/null; then
    shellcheck deploy.sh .ci/run
  elif [[ ${CI-} == true ]]; then
    warn "shellcheck is not installed, and CI must not go without it"
    return 1
  else
    say "skipped: shellcheck is not installed"
  fi
}

check_alerts() {
  if command -v promtool >/dev/null; then
    promtool check rules deploy/monitoring/prometheus/rules.yml &&
      promtool check config --syntax-only deploy/monitoring/prometheus/prometheus.yml &&
      promtool test rules deploy/monitoring/prometheus/rules_test.yml
  elif [[ ${CI-} == true ]]; then
    warn "promtool is not installed, and CI must not go without it"
    return 1
  else
    say "skipped: promtool is not installed (Debian: apt-get install prometheus)"
  fi
}

# Tests that start processes say nothing about the lines of the package here, and `test` runs them anyway.
check_coverage() {
  "$PYTHON" -m pytest --quiet --numprocesses 2 --dist loadfile -m "not browser" \
    --ignore=tests/deploy --ignore=tests/e2e --ignore=tests/simulator --cov --cov-report=term-missing
}

# --- in production -------------------------------------------------------------------------------------------------

check_settings() {
  prepare requirements.lock
  "$PYTHON" -m onboarding_bot.config
}

run_doctor() {
  prepare requirements.lock
  exec "$PYTHON" -m onboarding_bot.services.doctor
}

run_templates() {
  case "$*" in
    sync | "sync --dry-run") ;;
    *) misused "templates takes sync, or sync --dry-run" ;;
  esac
  prepare requirements.lock
  exec "$PYTHON" -m onboarding_bot.services.whatsapp_template_lookup "$@"
}

run_consent() {
  case "$*" in
    review | "review --dry-run") ;;
    *) misused "consent takes review, or review --dry-run" ;;
  esac
  run_program consent "$@"
}

# Runs one of the bot's programs where its settings and its Redis are: in the container that runs it, or else here.
run_program() {
  local program=$1
  shift
  if [[ -n $(running_container) ]]; then exec docker compose exec -T whatsapp-bot python -m "onboarding_bot.cli.$program" "$@"; fi
  # What the program prints may be a file's content.
  prepare requirements.lock >&2
  exec "$PYTHON" -m "onboarding_bot.cli.$program" "$@"
}

# Prints the id of the container that the service (the bot) runs in, or nothing.
running_container() {
  if docker compose version >/dev/null 2>&1; then docker compose ps --quiet "${1:-whatsapp-bot}" 2>/dev/null || true; fi
}

# Prints a path as whoever called meant it.
absolute() {
  if [[ $1 == /* ]]; then printf '%s' "$1"; else printf '%s/%s' "$CALLED_FROM" "$1"; fi
}

run_backup() {
  [[ $# -le 1 && ${1-} != -* ]] || misused "backup takes one file at most"
  local file=''
  if [[ $# -eq 1 ]]; then file=$(absolute "$1"); fi
  if [[ -z $(running_container) ]]; then run_program backup ${file:+"$file"}; fi
  # Bot and Redis share no files with this machine: both write to standard output.
  local target=${file:-var/backups/backup-$(date -u +%Y%m%dT%H%M%SZ).rdb}
  umask 077
  mkdir -p "$(dirname "$target")"
  if ! write_backup "$target.unfinished" "$target.erasures"; then
    rm -f "$target.unfinished" "$target.erasures"
    fail "no backup was made"
  fi
  mv "$target.unfinished" "$target"
  say "$target, and beside it $(basename "$target").erasures"
  if [[ -z $file ]]; then
    local days
    days=$(docker compose exec -T whatsapp-bot printenv BACKUP_RETENTION_DAYS || true)
    find var/backups -name 'backup-*' -mtime "+$((${days:-30} - 1))" -print -delete
  fi
}

write_backup() {
  docker compose exec -T redis redis-cli --rdb - >"$1" || return
  [[ -s $1 ]] || return
  docker compose exec -T whatsapp-bot python -m onboarding_bot.cli.backup --erasures-only >"$2"
}

run_restore() {
  [[ $# -ge 1 && $1 != -* ]] || misused "restore needs the file that backup wrote"
  local file lists=() option
  file=$(absolute "$1")
  shift
  while [[ $# -gt 0 ]]; do
    option=$1
    [[ $option == --erasures && $# -ge 2 ]] || misused "restore takes a file, and --erasures with a file"
    lists+=("$(absolute "$2")")
    shift 2
  done
  if [[ -n $(running_container redis) ]]; then
    restore_in_compose "$file" ${lists[@]+"${lists[@]}"}
    return
  fi
  local named=() list
  for list in ${lists[@]+"${lists[@]}"}; do named+=(--erasures "$list"); done
  run_program restore "$file" ${named[@]+"${named[@]}"}
}

# A server that still reads the snapshot says so; one that says nothing for 5 s has ended.
# shellcheck disable=SC2016  # for the shell in the container
UNTIL_LOADED='
  silent=0
  while [ "$silent" -lt 25 ]; do
    said=$(redis-cli -p '$RESTORE_PORT' ping 2>&1)
    case $said in PONG) exit 0 ;; *LOADING*) silent=0 ;; *) silent=$((silent + 1)) ;; esac
    sleep 0.2
  done
  exit 1'

# A second server in Redis's container loads the snapshot, and a container of the bot's copies from it.
restore_in_compose() {
  local file=$1 lists=() list status=0
  shift
  [[ -f $file ]] || fail "$file does not exist"
  for list in "$(dirname "$file")"/*.erasures "$@"; do
    if [[ -e $list ]]; then lists+=("$list"); fi
  done
  docker compose stop whatsapp-bot worker
  docker compose exec -T redis sh -c 'umask 077; cat >/tmp/restore.rdb' <"$file"
  docker compose exec -T --detach redis sh -c "exec redis-server - <<SETTINGS
port $RESTORE_PORT
requirepass \$REDISCLI_AUTH
dir /tmp
dbfilename restore.rdb
appendonly no
save \"\"
SETTINGS"
  if ! docker compose exec -T redis sh -c "$UNTIL_LOADED"; then
    docker compose exec -T redis rm -f /tmp/restore.rdb
    fail "the snapshot cannot be loaded: is it whole, and made by no newer Redis?"
  fi
  cat ${lists[@]+"${lists[@]}"} </dev/null | docker compose run --rm --no-deps -T whatsapp-bot \
    python -m onboarding_bot.cli.restore backup --loaded-port "$RESTORE_PORT" --erasures /dev/stdin || status=$?
  docker compose exec -T redis sh -c "redis-cli -p $RESTORE_PORT shutdown nosave; rm -f /tmp/restore.rdb"
  [[ $status -eq 0 ]] || fail "not restored"
  say "Start the bot: ./deploy.sh start"
}

# The bot and its worker live and end together: with 0 when a signal asked for it and both ended well. When one of them
# ends by itself the other is asked to follow, and that is a failure, whatever it said.
run_serve() {
  check_settings
  local asked='' status=0
  trap 'asked=yes' HUP INT TERM
  set -m
  "$PYTHON" -m gunicorn --config gunicorn.conf.py main:app </dev/null &
  SERVING=($!)
  "$PYTHON" -m onboarding_bot.worker </dev/null &
  SERVING+=($!)
  set +m
  trap 'end_serving 0' HUP INT TERM
  [[ -z $asked ]] || end_serving 0
  wait -n || status=$?
  warn "the bot or its worker has ended; the other one is asked to end as well"
  end_serving $((status > 0 ? status : 1))
}

end_serving() {
  local status=$1 leader ended=0
  trap '' HUP INT TERM
  for leader in "${SERVING[@]}"; do
    # Each of them tells its own processes, which must hear it once only; when it has gone, they hear it from here.
    kill -TERM "$leader" 2>/dev/null || kill -TERM -- "-$leader" 2>/dev/null || true
  done
  for leader in "${SERVING[@]}"; do wait "$leader" 2>/dev/null || ended=$?; done
  exit $((status > 0 ? status : ended))
}

# Prints what the bot on this machine answers; fails when that is not a success. The key is read by the process that
# sends it, so that it shows up neither in a list of processes nor on a terminal.
ask_bot() {
  prepare requirements.lock
  "$PYTHON" - "$@" <<'PROGRAM'
import http.client
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

from onboarding_bot.admin_keys import Role, parse_admin_keys
from onboarding_bot.config import read_environment
from onboarding_bot.environment import read_dotenv

path, *needs_key = sys.argv[1:]
found = read_environment()
for fault in found.faults:
    print(f"deploy.sh: {fault}", file=sys.stderr)
environment = {name: value for name, value in found.items() if value}
demo = read_dotenv(Path(environment.get("DEMO_ENV_FILE", "var/demo.env"))).values
request = urllib.request.Request(f"http://127.0.0.1:{environment.get('PORT', '5000')}{path}")
if needs_key:
    keys = environment.get("ADMIN_API_KEY") or demo.get("ADMIN_API_KEY")
    if not keys:
        sys.exit("deploy.sh: ADMIN_API_KEY is set neither in the environment nor in .env")
    try:
        key = parse_admin_keys(keys).first_with(Role.READ)
    except ValueError as fault:
        sys.exit(f"deploy.sh: ADMIN_API_KEY {fault}")
    if not key:
        sys.exit("deploy.sh: no key in ADMIN_API_KEY has the role read")
    request.add_header("Authorization", f"Bearer {key.secret}")
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    sys.exit(f"deploy.sh: {request.full_url} does not answer: {getattr(error, 'reason', error)}")
except (http.client.HTTPException, ValueError):
    # Its own words may quote the key.
    sys.exit("deploy.sh: the bot cannot be asked: PORT or ADMIN_API_KEY is wrong, and ./deploy.sh env says how")
body = answer.read().decode(errors="replace")
try:
    print(json.dumps(json.loads(body), indent=2, ensure_ascii=False))
except ValueError:
    print(body)
sys.exit(0 if answer.status < 400 else 1)
PROGRAM
}

# --- with Docker Compose -------------------------------------------------------------------------------------------

need_compose() {
  docker compose version >/dev/null 2>&1 || fail "Docker with its Compose plugin is needed, and was not found"
}

start_and_wait() {
  docker compose up --detach --no-build --remove-orphans --wait --wait-timeout "$HEALTHY_WITHIN_SECONDS" "$@"
}

run_deploy() {
  need_compose
  check_settings
  local previous
  previous=$(running_image)
  [[ -z $previous ]] || docker tag "$previous" "$IMAGE:previous"
  docker compose build || fail "the image could not be built; what runs is as it was"
  if start_and_wait; then
    say "The new version is healthy."
    return
  fi
  docker compose logs --no-color --tail 50 whatsapp-bot worker >&2 || true
  roll_back "$previous"
}

# Prints the id of the image that the bot runs on now, or nothing.
running_image() {
  local container
  container=$(docker compose ps --quiet whatsapp-bot)
  [[ -z $container ]] || docker inspect --format '{{.Image}}' "$container"
}

roll_back() {
  [[ -n $1 ]] || fail "the bot did not get healthy, and there is no earlier image to go back to"
  docker tag "$IMAGE:previous" "$IMAGE:latest"
  start_and_wait || fail "the new version did not get healthy, and the previous one does not either"
  fail "the new version did not get healthy; the previous one runs again"
}

run_clean() {
  [[ $# -eq 0 || $* == --volumes ]] || misused "clean takes only --volumes"
  need_compose
  docker compose --profile demo --profile monitoring down --remove-orphans "$@"
  local image
  for image in "$IMAGE:latest" "$IMAGE:previous" "$IMAGE-simulator:latest"; do
    if docker image inspect "$image" >/dev/null 2>&1; then docker image rm "$image"; fi
  done
}

compose() {
  need_compose
  docker compose "$@"
}

main() {
  [[ $# -gt 0 ]] || misused "a verb is missing"
  local verb=$1
  shift
  case $verb in
    demo | check | install | env | doctor | serve | health | stats | deploy | start | stop | restart)
      [[ $# -eq 0 ]] || misused "$verb takes no arguments"
      ;;
  esac
  cd "$ROOT"
  case $verb in
    demo) run_demo ;;
    test) run_test "$@" ;;
    check) run_check ;;
    install) prepare requirements-dev.lock ;;
    lock) run_lock "$@" ;;
    env) check_settings ;;
    doctor) run_doctor ;;
    templates) run_templates "$@" ;;
    catch-up) run_program catch_up "$@" ;;
    consent) run_consent "$@" ;;
    breach-list) run_program breach_list "$@" ;;
    backup) run_backup "$@" ;;
    restore) run_restore "$@" ;;
    serve) run_serve ;;
    health) ask_bot /health ;;
    stats) ask_bot /stats with-key ;;
    deploy) run_deploy ;;
    start) need_compose && start_and_wait ;;
    stop) compose --profile demo --profile monitoring stop ;;
    restart) need_compose && start_and_wait --force-recreate ;;
    logs) compose logs --tail 100 "$@" ;;
    clean) run_clean "$@" ;;
    help | -h | --help) help ;;
    *) misused "there is no verb \"$verb\"" ;;
  esac
}

main "$@"
