# One image for every process of the shop: the command decides which. Wheels only, so it builds alike on amd64 and arm64.
FROM python:3.13-slim AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/
RUN /opt/venv/bin/pip install --only-binary :all: -r /tmp/requirements.txt \
    && /opt/venv/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim
RUN groupadd --gid 10001 shop \
    && useradd --no-log-init --uid 10001 --gid shop --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin shop
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BIND=0.0.0.0:8000
# The settings want a key; this one is made up, used by nothing, and ends with its line. Everything belongs to root but
# the places for uploads and exports: the shop cannot change its own code.
RUN SECRET_KEY=collecting-static-files-signs-nothing python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q celery_task deploy orders seckill \
    && mkdir -p var/media var/exports && chown shop:shop var/media var/exports
USER 10001:10001
EXPOSE 8000
# Alive, not ready: an orchestrator may restart what is unhealthy, and a restart mends no database that is away.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "deploy/healthcheck.py", "8000", "/healthz"]
CMD ["gunicorn", "-c", "deploy/gunicorn.conf.py", "seckill.asgi"]
