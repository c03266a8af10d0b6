# The demo and everything that needs no GPU. `bash container/build.sh cpu` builds it: docs/containers.md.
ARG BASE
FROM ${BASE} AS build
ARG BASE
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# A tag alone is another image tomorrow.
RUN [[ $BASE =~ @sha256:[0-9a-f]{64}$ ]] || { echo "BASE must be name@sha256:..., not '$BASE'" >&2; exit 1; }
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/medft
# A torch for the CPU alone is a tenth of the size: PyTorch's start page names the index that has it.
# The secret `pip` is a pip.conf, for a mirror.
ARG TORCH_INDEX=
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch>=2.8,<3" "torchvision>=0.23,<1"
COPY pyproject.toml README.md LICENSE ./
COPY src src
ARG EXTRAS=train
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install ".[${EXTRAS}]"

FROM ${BASE}
LABEL org.opencontainers.image.title="medft_bm, without GPU" \
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
CMD ["bash", "script/sft/train__SFT__MedGemma.sh"]
