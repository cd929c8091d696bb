# donkeywatch in a container: docker build -t donkeywatch .
#
# docs/deployment.md has the line to run it, with all that it needs: the state as a volume, the
# directory of the log (not the file, or a rotation is not seen), a lexicon that belongs to uid 10001.

FROM python:3.12-slim AS build
WORKDIR /build
RUN ["python", "-m", "venv", "tools"]
RUN ["python", "-m", "venv", "/opt/donkeywatch"]
COPY deploy/build-requirements.lock deploy/requirements.lock ./
RUN ["tools/bin/python", "-m", "pip", "install", "--no-cache-dir", "--require-hashes", "--only-binary", ":all:", "-r", "build-requirements.lock"]
RUN ["/opt/donkeywatch/bin/python", "-m", "pip", "install", "--no-cache-dir", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.lock"]
# donkeywatch itself is what was copied, and never what an index has under its name.
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY deploy ./deploy
COPY docs ./docs
COPY grafana ./grafana
RUN ["tools/bin/python", "-m", "pip", "wheel", "--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", "wheels", "."]
RUN ["/opt/donkeywatch/bin/python", "-m", "pip", "install", "--no-index", "--no-deps", "--find-links", "wheels", "donkeywatch"]

FROM python:3.12-slim
LABEL org.opencontainers.image.title="donkeywatch" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/donkeywatch /opt/donkeywatch
RUN ["install", "-d", "-o", "10001", "-g", "10001", "-m", "0700", "/var/lib/donkeywatch"]
ENV PATH="/opt/donkeywatch/bin:/usr/local/bin:/usr/bin:/bin" \
    PYTHONDONTWRITEBYTECODE="1" \
    PYTHONUNBUFFERED="1" \
    DONKEYWATCH_CONFIG="/etc/donkeywatch/donkeywatch.toml" \
    DONKEYWATCH_STATE="/var/lib/donkeywatch"
USER 10001:10001
WORKDIR /var/lib/donkeywatch
VOLUME ["/var/lib/donkeywatch"]
EXPOSE 9461
STOPSIGNAL SIGTERM
# /healthz needs no token. With another port or with TLS, give a health check of your own.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 9461, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["donkeywatch"]
CMD ["run"]
