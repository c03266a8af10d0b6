#!/usr/bin/env bash
# Fine-tune Qwen2.5-VL on a mix of tasks: prepare, evaluate, train, merge, evaluate again, report.
#
#   bash script/sft/train__SFT__Qwen2.5-VL.sh                                              # the demo
#   MODEL=Qwen/Qwen2.5-VL-7B-Instruct DATA_ROOT=/data bash script/sft/train__SFT__Qwen2.5-VL.sh lora.rank=32
#
# Every variable below is read from the environment; empty means the value of the mix, or the default of
# `medft config keys`. Words after the command are key=value settings and win over everything.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=script/sft/_common.sh
source script/sft/_common.sh

# What: without MODEL, DATA_ROOT and MIX this is the demo
: "${MODEL:=}"                     # folder or Hub id; Qwen/Qwen2.5-VL-7B-Instruct
: "${REVISION:=}"                  # branch, tag or commit on the Hub
: "${FAMILY:=}"                    # see `medft models`; empty: from the checkpoint
: "${DATA_ROOT:=}"                 # folder of raw data
: "${MIX:=}"                       # which tasks from which sources; tasks/real_samples.yaml
: "${RUN_FOLDER:=}"                # everything that comes out; runs/qwen2.5-vl-DATE

# Who is tested: a split.json of an earlier run, or FOLD (from 0) of FOLDS; empty: shares of the subjects
: "${SPLIT_FILE:=}" "${FOLDS:=}" "${FOLD:=}"

# How many samples at most, in total, per task and per part of the mix; -1 is all, 0 is none
: "${LIMIT_TRAIN:=}" "${LIMIT_VALIDATION:=}" "${LIMIT_TEST:=}"
: "${LIMIT_PER_TASK_TRAIN:=}" "${LIMIT_PER_TASK_VALIDATION:=}" "${LIMIT_PER_TASK_TEST:=}"
: "${LIMIT_PER_SOURCE_TRAIN:=}" "${LIMIT_PER_SOURCE_VALIDATION:=}" "${LIMIT_PER_SOURCE_TEST:=}"

# How to prepare
: "${PREPARE_ENGINE:=}"            # local or ray
: "${WORKERS:=}"                   # processes that read and render images
: "${MIN_PIXELS:=}" "${MAX_PIXELS:=}" # of an image as the model sees it, for families that scale freely
: "${ON_ERROR:=}"                  # about a file that cannot be used: raise, or skip

# How to train
: "${METHOD:=}"                    # lora, qlora or full
: "${LORA_RANK:=}" "${LORA_ALPHA:=}"
: "${EPOCHS:=}" "${MAX_STEPS:=}"     # optimiser steps, when positive, win over epochs
: "${LEARNING_RATE:=}"
: "${DEVICE_BATCH:=}"              # samples per device per forward pass
: "${ACCUMULATION:=}"              # forward passes per optimiser step
: "${ATTENTION:=}"                 # sdpa, eager or flash_attention_2
: "${USE_FLASH_ATTENTION_2:=}"     # true: the same as ATTENTION=flash_attention_2
: "${GRADIENT_CHECKPOINTING:=}"    # true or false
: "${LOGGING_STEPS:=}" "${EVAL_STEPS:=}" "${SAVE_STEPS:=}"
: "${SAVE_LIMIT:=}"                # checkpoints kept
: "${RESUME:=}"                    # auto: go on where RUN_FOLDER stands; never; or a checkpoint's folder
: "${REPORT_TO:=}"                 # tensorboard, wandb, tensorboard,wandb or none
: "${WANDB_PROJECT:=}" "${WANDB_NAME:=}" "${WANDB_RUN_ID:=}" "${WANDB_RESUME:=}" "${WANDB_DIR:=}"

# How to evaluate, before and after
: "${EVAL_LIMIT:=}"                # questions of the test split; -1 is all
: "${EVAL_BATCH:=}"                # prompts at a time
: "${MAX_NEW_TOKENS:=}"            # longest reply
: "${PROBES:=}"                    # questions asked again with a blank image, another pixel size and so on; 0 is none
: "${GENERAL_MIX:=}"               # a mix that is not trained on, to see what was forgotten

# Where: one process per visible GPU; on several nodes start this on each, with its NODE_RANK, or by srun
: "${NUM_PROCESSES:=}"             # over all nodes
: "${NUM_NODES:=}" "${NODE_RANK:=}" "${MASTER_ADDR:=}" "${MASTER_PORT:=}"
: "${STRATEGY:=}"                  # auto, ddp, fsdp, zero2, zero3, zero2_offload or zero3_offload

# What goes to the Hugging Face Hub, and where to (docs/hub.md); the token: `hf auth login`, HF_TOKEN or a file
: "${PUSH_LORA:=}" "${PUSH_MERGED:=}" # true: after every save and at the end; and the merged model
: "${PUSH_DATA:=}"                 # true: the prepared dataset, images included
: "${HUB_LORA_REPO:=}" "${HUB_MERGED_REPO:=}" "${HUB_DATA_REPO:=}" # account/name
: "${HUB_PRIVATE:=}"               # true or false
: "${HUB_TOKEN_FILE:=}"            # file that holds the token

# Only a part of it: 1 to stop after preparing, or to merge or push what is in RUN_FOLDER and nothing else
: "${PREPARE_ONLY:=}" "${MERGE_ONLY:=}" "${PUSH_ONLY:=}"

ensure_environment train "${TRAIN_MODULES[@]}"
find_nodes
choose_demo_or_real qwen2.5-vl script/demo/base/qwen2_5_vl Qwen/Qwen2.5-VL-7B-Instruct
collect_words "$@"

if [[ -n $PUSH_ONLY ]]; then push; exit; fi
if [[ -n $MERGE_ONLY ]]; then merge; push; exit; fi
may_push
prepare
if [[ -n $PREPARE_ONLY ]]; then exit; fi
clear_demo
if ((NUM_NODES == 1)); then evaluate base; else may_evaluate; fi
train
if ((NODE_RANK > 0)); then exit; fi
if ((NUM_NODES > 1)); then evaluate base; fi # not before: the other nodes would give up waiting
merge
evaluate merged
push
step "done: $RUN_FOLDER/report.html"
