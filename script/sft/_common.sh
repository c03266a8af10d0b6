#!/usr/bin/env bash
# The steps that both launchers share. Sourced, from the repository's root; reads the variables of the launcher.
# shellcheck source=script/environment.sh
source script/environment.sh

medft() { "$python" -m medft_bm.cli.main "$@"; }

step() { printf '\n== %s\n' "$*"; }

# Which of several nodes this is: as set, or as torchrun's PET_ variables or srun say.
find_nodes() {
  if ((${SLURM_LOCALID:-0} > 0)); then
    echo "medft: start this once per node: srun --ntasks-per-node=1 (script/sft/slurm needs no launcher)" >&2
    exit 2
  fi
  : "${NUM_NODES:=${PET_NNODES:-${SLURM_STEP_NUM_NODES:-1}}}"
  : "${NODE_RANK:=${PET_NODE_RANK:-${SLURM_NODEID:-0}}}"
  : "${MASTER_ADDR:=${PET_MASTER_ADDR:-}}" "${MASTER_PORT:=${PET_MASTER_PORT:-}}"
  if ((NUM_NODES > 1)) && [[ -z $MASTER_ADDR && -n ${SLURM_STEP_NODELIST:-} ]]; then
    read -r MASTER_ADDR < <(scontrol show hostnames "$SLURM_STEP_NODELIST")
  fi
}

# The demo runs when nothing says otherwise; its checkpoint, mix and folder are in the repository.
choose_demo_or_real() { # SHORT_NAME DEMO_BASE REAL_MODEL
  anew=
  if [[ -z $MODEL$DATA_ROOT$MIX ]]; then
    MODEL=$2
    MIX=tasks/demo.yaml
    [[ -n $RUN_FOLDER ]] || anew=1
    : "${RUN_FOLDER:=runs/demo-$1}"
    : "${NUM_PROCESSES:=1}"
    echo "DEMO: phantoms and a tiny checkpoint without medical value. Set MODEL and DATA_ROOT for real work."
  elif [[ -n $MERGE_ONLY$PUSH_ONLY && -z $RUN_FOLDER ]]; then
    echo "medft: MERGE_ONLY and PUSH_ONLY need RUN_FOLDER, the folder of a finished training" >&2
    exit 2
  fi
  if [[ -z $RUN_FOLDER ]] && ((NUM_NODES > 1)); then
    echo "medft: several nodes need the same RUN_FOLDER, set on each" >&2
    exit 2
  fi
  : "${MODEL:=$3}"
  : "${MIX:=tasks/real_samples.yaml}"
  : "${RUN_FOLDER:=runs/$1-$(date +%Y%m%d-%H%M%S)}"
}

# The demo in its own folder starts from nothing every time; a folder that was asked for is never removed.
clear_demo() {
  if [[ -n $anew ]]; then rm -rf -- "$RUN_FOLDER"; fi
}

# One key=value word per variable that is set; a variable that is empty leaves the config's value alone.
collect_words() { # EXTRA_WORD...
  words=()
  word model.name MODEL
  word model.family FAMILY
  word model.revision REVISION
  word model.min_pixels MIN_PIXELS
  word model.max_pixels MAX_PIXELS
  if [[ $USE_FLASH_ATTENTION_2 == true ]]; then : "${ATTENTION:=flash_attention_2}"; fi
  word model.attention ATTENTION
  word data.root DATA_ROOT
  word data.on_error ON_ERROR
  word data.split.file SPLIT_FILE
  word data.split.folds FOLDS
  word data.split.fold FOLD
  word data.limit.train LIMIT_TRAIN
  word data.limit.validation LIMIT_VALIDATION
  word data.limit.test LIMIT_TEST
  word data.limit_per_task.train LIMIT_PER_TASK_TRAIN
  word data.limit_per_task.validation LIMIT_PER_TASK_VALIDATION
  word data.limit_per_task.test LIMIT_PER_TASK_TEST
  word data.limit_per_source.train LIMIT_PER_SOURCE_TRAIN
  word data.limit_per_source.validation LIMIT_PER_SOURCE_VALIDATION
  word data.limit_per_source.test LIMIT_PER_SOURCE_TEST
  word prepare.engine PREPARE_ENGINE
  word prepare.workers WORKERS
  word train.method METHOD
  word lora.rank LORA_RANK
  word lora.alpha LORA_ALPHA
  # A mix that counts in steps would not look at epochs.
  if [[ -n $EPOCHS && -z $MAX_STEPS ]]; then MAX_STEPS=-1; fi
  word train.epochs EPOCHS
  word train.max_steps MAX_STEPS
  word train.lr LEARNING_RATE
  word train.device_batch DEVICE_BATCH
  word train.accumulation ACCUMULATION
  word train.gradient_checkpointing GRADIENT_CHECKPOINTING
  word train.strategy STRATEGY
  word train.logging_steps LOGGING_STEPS
  word train.save_steps SAVE_STEPS
  word train.eval_steps EVAL_STEPS
  word train.save_limit SAVE_LIMIT
  word train.resume RESUME
  word train.report_to REPORT_TO
  word evaluate.limit EVAL_LIMIT
  word evaluate.batch EVAL_BATCH
  word evaluate.max_new_tokens MAX_NEW_TOKENS
  word evaluate.probes PROBES
  word evaluate.general GENERAL_MIX
  word wandb.project WANDB_PROJECT
  word wandb.name WANDB_NAME
  word wandb.id WANDB_RUN_ID
  word wandb.resume WANDB_RESUME
  word wandb.dir WANDB_DIR
  word hub.push_lora PUSH_LORA
  word hub.push_merged PUSH_MERGED
  word hub.push_data PUSH_DATA
  word hub.lora_repo HUB_LORA_REPO
  word hub.merged_repo HUB_MERGED_REPO
  word hub.data_repo HUB_DATA_REPO
  word hub.private HUB_PRIVATE
  word hub.token_file HUB_TOKEN_FILE
  word run.folder RUN_FOLDER
  words+=("$@")
}

word() { # KEY VARIABLE
  [[ -z ${!2} ]] || words+=("$1=${!2}")
}

visible_gpus() {
  if nvidia-smi --list-gpus >/dev/null 2>&1; then
    # Not a count of nvidia-smi's lines: CUDA_VISIBLE_DEVICES and MIG have their say.
    "$python" -c 'import torch; print(torch.cuda.device_count())'
  else
    echo 0
  fi
}

prepare() {
  step prepare
  medft prepare "$MIX" "${words[@]}"
}

# Before a training that is not evaluated first: will there be something to ask?
may_evaluate() {
  step "evaluate: can it?"
  medft evaluate "$MIX" --check "${words[@]}"
}

evaluate() { # base | adapter | merged
  step "evaluate: $1"
  local gpus processes
  gpus=$(visible_gpus)
  processes=$((${NUM_PROCESSES:-$((gpus * NUM_NODES))} / NUM_NODES))
  if ((gpus > 1 && processes > 1)); then # on this node alone: questions need no weights of others
    NUM_NODES=1 NODE_RANK=0 MASTER_PORT='' by_accelerate "$processes" -m medft_bm.cli.main evaluate "$MIX" --model "$1" "${words[@]}"
  else
    medft evaluate "$MIX" --model "$1" "${words[@]}"
  fi
}

merge() {
  step merge
  medft merge "$MIX" "${words[@]}"
}

wants_push() { [[ $PUSH_LORA == true || $PUSH_MERGED == true || $PUSH_DATA == true ]]; }

# Before anything is spent: names, token and right to write.
may_push() {
  if wants_push && ((NODE_RANK == 0)); then
    step "push: may it?"
    medft push "$MIX" --check "${words[@]}"
  fi
}

push() {
  if wants_push; then
    step push
    medft push "$MIX" "${words[@]}"
  elif [[ -n $PUSH_ONLY ]]; then
    echo "medft: PUSH_ONLY needs PUSH_LORA, PUSH_MERGED or PUSH_DATA to be true" >&2
    exit 2
  fi
}

train() {
  step train
  local gpus processes
  gpus=$(visible_gpus)
  processes=${NUM_PROCESSES:-$((gpus * NUM_NODES))}
  if ((processes <= 1)) && [[ $STRATEGY != fsdp && $STRATEGY != zero* ]]; then
    if ((gpus > 1)); then
      # One process that sees several GPUs would fall into nn.DataParallel.
      export CUDA_VISIBLE_DEVICES="${CUDA_VISIBLE_DEVICES:-0}"
      CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES%%,*}
    fi
    medft train "$MIX" "${words[@]}"
    return
  fi
  # A process that is asked to stop saves first, which can take longer than the half minute that launchers wait.
  export PET_SIGNALS_TO_HANDLE=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1
  export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-300}"
  if ((NUM_NODES > 1)); then : "${MASTER_ADDR:?several nodes need the address of the first in MASTER_ADDR}"; fi
  if ((gpus > 0 && processes > 1)); then
    by_accelerate "$processes" -m medft_bm.cli.main train "$MIX" "${words[@]}"
  else
    by_torchrun "$processes" -m medft_bm.cli.main train "$MIX" "${words[@]}"
  fi
}

by_accelerate() { # PROCESSES PYTHON_WORD...
  local nodes=(--num_machines "$NUM_NODES" --machine_rank "$NODE_RANK")
  if ((NUM_NODES > 1)); then
    nodes+=(--main_process_ip "$MASTER_ADDR" --main_process_port "${MASTER_PORT:-29500}")
  else
    nodes+=(--main_process_port "${MASTER_PORT:-0}") # 0: any free port, so that two trainings fit on one machine
  fi
  # The trainer takes its precision from the config: no second opinion from the launcher or a user's default file.
  accelerate launch --num_processes "$1" --mixed_precision no --dynamo_backend no --gpu_ids all --multi_gpu \
    "${nodes[@]}" "${@:2}"
}

# Accelerate starts only one process where there is no GPU, and a single process without the group that sharding needs.
by_torchrun() { # PROCESSES PYTHON_WORD...
  local nodes=(--standalone)
  if ((NUM_NODES > 1)); then
    nodes=(--nnodes "$NUM_NODES" --node_rank "$NODE_RANK" --master_addr "$MASTER_ADDR" --master_port "${MASTER_PORT:-29500}")
  fi
  local here=$(($1 / NUM_NODES))
  "$python" -m torch.distributed.run "${nodes[@]}" --nproc_per_node $((here > 0 ? here : 1)) "${@:2}"
}
