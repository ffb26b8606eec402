#!/usr/bin/env bash
# Installs, starts, checks and ships the bot; `./deploy.sh help` lists the verbs.
# Never prompts, and answers with its exit code: 0 done, 1 failed, 2 called wrongly.
set -euo pipefail

CALLED_FROM=$PWD
ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
VENV=.venv
IMAGE=msmebazaar-whatsapp-bot
BOT=whatsapp-bot
HEALTHY_WITHIN_SECONDS=120
PROGRAM=(-m onboarding_bot --called-as deploy.sh --called-from "$CALLED_FROM")

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
                 (each of these explains itself with --help)

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

# --- in Python -----------------------------------------------------------------------------------------------------

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

# Becomes Python with these arguments, in an environment that holds what a lock file names. What it prints may
# be a file's content: with --quiet nothing else goes to standard output.
in_venv() {
  local python=$VENV/bin/python
  if [[ -e $VENV/.unfinished ]] || ! "$python" -c '' 2>/dev/null; then python=$(find_python); fi
  exec "$python" -m dependencies.environment "$@"
}

# Becomes one of the bot's programs on this machine.
run_here() { in_venv requirements.lock "${PROGRAM[@]}" "$@"; }

# Becomes one of the bot's programs where its settings and its Redis are: in the container that runs it, or else here.
run_beside_bot() {
  if [[ -z $(container_of "$BOT") ]]; then in_venv --quiet requirements.lock "${PROGRAM[@]}" "$@"; fi
  if docker compose exec -T "$BOT" test -e onboarding_bot/__main__.py; then
    exec docker compose exec -T "$BOT" python -m onboarding_bot --called-as deploy.sh "$@"
  fi
  # The release before, which is not replaced yet, has a module for each.
  exec docker compose exec -T "$BOT" python -m "onboarding_bot.cli.${1//-/_}" "${@:2}"
}

# Backup and restore work here, on containers where there are any.
run_on_files() {
  if [[ -n $(container_of "$1") ]]; then set -- "$1" "$2" --with-compose "${@:3}"; fi
  in_venv --quiet requirements.lock "${PROGRAM[@]}" "${@:2}"
}

# --- with Docker Compose -------------------------------------------------------------------------------------------

# Prints the id of the container that a service runs in, or nothing.
container_of() {
  if docker compose version >/dev/null 2>&1; then docker compose ps --quiet "$1" 2>/dev/null || true; fi
}

compose() {
  docker compose version >/dev/null 2>&1 || fail "Docker with its Compose plugin is needed, and was not found"
  docker compose "$@"
}

start_and_wait() {
  compose up --detach --no-build --remove-orphans --wait --wait-timeout "$HEALTHY_WITHIN_SECONDS" "$@"
}

run_deploy() {
  local container previous=''
  compose version >/dev/null
  (run_here env)
  container=$(compose ps --quiet "$BOT")
  if [[ -n $container ]]; then
    previous=$(docker inspect --format '{{.Image}}' "$container")
    docker tag "$previous" "$IMAGE:previous"
  fi
  compose build || fail "the image could not be built; what runs is as it was"
  if start_and_wait; then
    say "The new version is healthy."
    return
  fi
  compose logs --no-color --tail 50 "$BOT" worker >&2 || true
  [[ -n $previous ]] || fail "the bot did not get healthy, and there is no earlier image to go back to"
  docker tag "$IMAGE:previous" "$IMAGE:latest"
  start_and_wait || fail "the new version did not get healthy, and the previous one does not either"
  fail "the new version did not get healthy; the previous one runs again"
}

run_clean() {
  compose --profile demo --profile monitoring down --remove-orphans "$@"
  local image
  for image in "$IMAGE:latest" "$IMAGE:previous" "$IMAGE-simulator:latest"; do
    if docker image inspect "$image" >/dev/null 2>&1; then docker image rm "$image"; fi
  done
}

# --- the verbs -----------------------------------------------------------------------------------------------------

# Ends with the help when a verb that is called like this would not know what to do. What Python knows better is left to it.
check_call() {
  local verb=$1 at
  shift
  case $verb in
    demo | check | install | env | doctor | serve | health | stats | deploy | start | stop | restart)
      [[ $# -eq 0 ]] || misused "$verb takes no arguments"
      ;;
    templates) [[ $* =~ ^sync(' --dry-run')?$ ]] || misused "templates takes sync, or sync --dry-run" ;;
    consent) [[ $* =~ ^review(' --dry-run')?$ ]] || misused "consent takes review, or review --dry-run" ;;
    clean) [[ $# -eq 0 || $* == --volumes ]] || misused "clean takes only --volumes" ;;
    backup) [[ $# -le 1 && ${1-} != -* ]] || misused "backup takes one file at most" ;;
    restore)
      [[ $# -ge 1 && $1 != -* ]] || misused "restore needs the file that backup wrote"
      for ((at = 2; at <= $#; at += 2)); do
        [[ ${!at} == --erasures && $at -lt $# ]] || misused "restore takes a file, and --erasures with a file"
      done
      ;;
  esac
}

main() {
  [[ $# -gt 0 ]] || misused "a verb is missing"
  local verb=$1
  cd "$ROOT"
  case $verb in
    env | doctor | templates | serve | health | stats | catch-up | consent | breach-list | backup | restore)
      if [[ " $* " == *" --help "* ]]; then run_here "$@"; fi
      ;;
  esac
  check_call "$@"
  # Some hundred processes would each compile the bot anew, where a machine is told to keep no bytecode.
  case $verb in test | check) unset PYTHONDONTWRITEBYTECODE ;; esac
  case $verb in
    demo) in_venv requirements-demo.lock -m simulator.demo ;;
    # Five processes on two cores, because many tests wait for servers; in the order of the folders, which puts those
    # that take long before those that are many.
    test)
      in_venv requirements-dev.lock -m pytest --quiet --numprocesses 5 --dist loadfile --no-loadscope-reorder "${@:2}"
      ;;
    check) in_venv requirements-dev.lock -m tests.checks ;;
    install) in_venv requirements-dev.lock ;;
    lock) in_venv requirements-dev.lock -m dependencies.lock "${@:2}" ;;
    env | doctor | templates | serve | health | stats) run_here "$@" ;;
    catch-up | consent | breach-list) run_beside_bot "$@" ;;
    backup) run_on_files "$BOT" "$@" ;;
    restore) run_on_files redis "$@" ;;
    deploy) run_deploy ;;
    start) start_and_wait ;;
    stop) compose --profile demo --profile monitoring stop ;;
    restart) start_and_wait --force-recreate ;;
    logs) compose logs --tail 100 "${@:2}" ;;
    clean) run_clean "${@:2}" ;;
    help | -h | --help) help ;;
    *) misused "there is no verb \"$verb\"" ;;
  esac
}

main "$@"
