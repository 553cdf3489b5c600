# One image for all of Perennial: the command says which service or job runs.
#   docker build -t perennial .
#   docker run perennial -m services.device        docker run perennial -m services.cli --help

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.txt deploy/build-requirements.txt ./
# everything is pinned with its hash, including what builds the wheel
RUN pip install --quiet --require-hashes --target /app -r requirements.txt \
 && pip install --quiet --require-hashes -r build-requirements.txt
COPY pyproject.toml README.md ./
COPY shared shared
COPY services services
RUN pip install --quiet --no-deps --no-build-isolation --no-index --target /app .

# The final image has the interpreter, the libraries that it and the packages link to, and nothing else: no shell,
# no package manager, no root.
RUN python -m compileall -q -j 0 /app \
 && cd /usr/local/lib/python3.13 && rm -rf ensurepip idlelib tkinter turtledemo test site-packages config-* pydoc_data \
 && mkdir -p /root-of-image/usr/lib /root-of-image/usr/lib64 /root-of-image/etc/ssl/certs /root-of-image/usr/local/bin \
 && cd /root-of-image && ln -s usr/lib lib && ln -s usr/lib64 lib64 && install -d -m 1777 tmp \
 # a new volume that is mounted here gets the folder's owner
 && install -d -o 10001 -g 10001 var/lib/perennial/checkpoints \
 && find -L /usr/local/bin/python3.13 /usr/local/lib /app -type f \( -name '*.so*' -o -name python3.13 \) -exec ldd {} + 2>/dev/null \
    | grep -oE '/(usr/)?lib[^ ]+' | sort -u | while read -r library; do \
      mkdir -p ".$(dirname "$library")" && cp -L "$library" ".$library"; done \
 && cp -a /usr/local/lib usr/local/ && cp -a /usr/local/bin/python3.13 usr/local/bin/ && ln -s python3.13 usr/local/bin/python \
 && cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ \
 && echo 'perennial:x:10001:10001:perennial:/tmp:/nowhere' >etc/passwd && echo 'perennial:x:10001:' >etc/group \
 && echo 'hosts: files dns' >etc/nsswitch.conf

FROM scratch
ARG VERSION=0.1.0 REVISION=unknown CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Perennial" \
      org.opencontainers.image.description="Renews software licenses: a reserve code waits, is checked twice, and takes over." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.base.name="python:3.13-slim"
COPY --from=build /root-of-image /
COPY --from=build /app /app
# PYTHONDONTWRITEBYTECODE: the root file system may be read-only
ENV PATH=/usr/local/bin:/app/bin PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8 HOME=/tmp SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PERENNIAL_HTTP_HOST=0.0.0.0 PERENNIAL_HTTP_PORT=8100 PERENNIAL_LOG_FORMAT=json
USER 10001:10001
EXPOSE 8100
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --start-interval=1s --retries=3 CMD ["python", "-m", "shared.watching.healthcheck"]
ENTRYPOINT ["python"]
CMD ["-m", "services.cli", "--help"]
