# donkeywatch in a container.
#
#   docker build -t donkeywatch .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit core=0 \
#     -p 127.0.0.1:9461:9461 -e DONKEYWATCH_TOKEN \
#     -v donkeywatch:/var/lib/donkeywatch \
#     -v /etc/donkeywatch:/etc/donkeywatch:ro -v /var/log/enode-go:/var/log/enode-go:ro \
#     donkeywatch
#
# Mount the directory of the log, not the file, or a rotation is not seen. The lexicon must have
# mode 0600 and belong to uid 10001. To be reached from outside the container the settings need
# http.host = "0.0.0.0", which is refused without a token.

FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY deploy ./deploy
COPY docs ./docs
COPY grafana ./grafana
RUN ["python", "-m", "pip", "wheel", "--no-cache-dir", "--no-deps", "--wheel-dir", "wheels", "."]
RUN ["python", "-m", "venv", "/opt/donkeywatch"]
RUN ["/opt/donkeywatch/bin/python", "-m", "pip", "install", "--no-cache-dir", "--only-binary", ":all:", "--find-links", "wheels", "donkeywatch"]

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
