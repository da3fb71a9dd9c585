# One image for all processes of the shop; the command selects one. Wheels only, so amd64 and arm64 build the same way.
# Python, PostgreSQL and Valkey are the versions that the tests run on.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/
RUN /opt/venv/bin/pip install --only-binary :all: --require-hashes -r /tmp/requirements.txt \
    && /opt/venv/bin/pip uninstall --yes --quiet pip

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 shop \
    && useradd --no-log-init --uid 10001 --gid shop --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin shop
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SECKILL_BIND=0.0.0.0:8000
# The settings require a SECRET_KEY; this dummy is only set for collectstatic. Only the directories of uploads and exports
# belong to the shop's user, so that the shop cannot change its own code.
RUN SECRET_KEY=collecting-static-files-signs-nothing python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q celery_task deploy orders seckill \
    && mkdir -p var/media var/exports && chown shop:shop var/media var/exports
USER 10001:10001
EXPOSE 8000
# Liveness, not readiness: orchestrators restart unhealthy containers, which does not help if the database is down.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "deploy/healthcheck.py", "8000", "/healthz"]
CMD ["gunicorn", "-c", "deploy/gunicorn.conf.py", "seckill.asgi"]
