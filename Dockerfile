FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# Only what names the dependencies, so that a change of code leaves their layer as it is. The package
# itself goes again: the application runs from its checkout, beside sql/ and config/.
COPY pyproject.toml setup.cfg ./
COPY config/constraints.txt config/
COPY romantic/__init__.py romantic/
RUN python -m venv /venv \
    && /venv/bin/pip install --no-compile -c config/constraints.txt . \
    && /venv/bin/pip uninstall --yes romantic setuptools pip

FROM python:3.11-slim
RUN groupadd --gid 10001 romantic \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /srv/romantic \
        --shell /usr/sbin/nologin romantic
COPY --from=build /venv /venv
WORKDIR /srv/romantic
COPY run.py ./
COPY config/ config/
COPY sql/ sql/
COPY romantic/ romantic/

ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENV ROMANTIC_ENV=production HOST=0.0.0.0 PORT=8080
# REST and sockets; metrics and health; the server's own WebRTC peers.
EXPOSE 8080 8081 3479/udp
USER 10001:10001
STOPSIGNAL SIGTERM
# Not curl, which is not here, nor urllib, which would ask a proxy named in the environment.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "\
from http.client import HTTPConnection as C; from os import environ as e; \
c = C('127.0.0.1', int(e['PORT']), timeout=4); c.request('GET', '/health/ready'); \
raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "run.py"]
CMD ["serve"]
