# Three images from one file: the last stage is the bot; `--target simulator` makes the demo's outside world.

FROM python:3.11-slim AS build
COPY requirements.lock /build/
# The environment gets no pip of its own, and loses the packages' tests and Twilio's REST client: that is half of all
# bytes, and the bot speaks to the REST API itself (a test keeps it so). Bytecode comes with it,
# because the root file system is read-only later.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
        --require-hashes --only-binary :all: --requirement /build/requirements.lock \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} + \
    && rm -rf /opt/venv/lib/python3.11/site-packages/twilio/rest \
    && python -m compileall -q -j 0 /opt/venv/lib


FROM python:3.11-slim AS base
# A fixed number: volumes and security policies name it.
RUN groupadd --gid 10001 bot \
    && useradd --uid 10001 --gid bot --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin bot \
    && install --directory --owner bot --group bot /app/var
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
STOPSIGNAL SIGTERM


FROM base AS simulator
COPY simulator ./simulator
RUN python -m compileall -q simulator
USER 10001:10001
EXPOSE 5050
ENV SIMULATOR_HOST=0.0.0.0
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('SIMULATOR_PORT', 5050)), timeout=4); c.request('GET', '/'); sys.exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "simulator"]


FROM base AS bot
COPY main.py gunicorn.conf.py ./
COPY onboarding_bot ./onboarding_bot
RUN python -m compileall -q main.py onboarding_bot
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('PORT', 5000)), timeout=4); c.request('GET', '/health/live'); sys.exit(c.getresponse().status != 200)"]
CMD ["gunicorn", "--config", "gunicorn.conf.py", "main:app"]
