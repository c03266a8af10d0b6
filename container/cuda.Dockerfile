# Training on NVIDIA GPUs. `bash container/build.sh cuda` builds it: docs/containers.md.
ARG BASE
FROM ${BASE} AS python
ARG BASE
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# A tag alone is another image tomorrow.
RUN [[ $BASE =~ @sha256:[0-9a-f]{64}$ ]] || { echo "BASE must be name@sha256:..., not '$BASE'" >&2; exit 1; }
# Triton and DeepSpeed compile while they run: a compiler and Python's headers stay in the image.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
       g++ ninja-build python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*

FROM python AS build
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/medft
# Empty: the build of torch that PyPI has. An older driver needs another one, such as .../whl/cu126.
# The secret `pip` is a pip.conf, for a mirror.
ARG TORCH_INDEX=
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch>=2.8,<3" "torchvision>=0.23,<1"
COPY pyproject.toml README.md LICENSE ./
COPY src src
ARG EXTRAS=train,wandb
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install ".[${EXTRAS}]" "bitsandbytes>=0.48" "deepspeed>=0.18" "liger-kernel>=0.6"
# A version such as 2.8.3 compiles it, for half an hour or more; needs a -devel base of the CUDA that torch was built for.
ARG FLASH_ATTN=
ARG MAX_JOBS=4
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    [ -z "$FLASH_ATTN" ] \
    || { pip install "packaging>=24" "setuptools>=77" "wheel>=0.45" \
         && pip install --no-build-isolation "flash-attn==${FLASH_ATTN}"; }

FROM python
LABEL org.opencontainers.image.title="medft_bm, with CUDA" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/venv /opt/venv
# Whoever runs it may write there, under any number: `docker run --user`, OpenShift.
RUN useradd --uid 10001 --home-dir /home/medft medft \
    && install -d -m 1777 /home/medft /workspace/cache /workspace/runs
WORKDIR /workspace
COPY pyproject.toml LICENSE ./
COPY script script
COPY tasks tasks
COPY container/job.sh container/job.sh
ENV PATH=/opt/venv/bin:$PATH HOME=/home/medft HF_HOME=/workspace/cache/huggingface PYTHONUNBUFFERED=1
USER 10001
CMD ["medft", "doctor"]
