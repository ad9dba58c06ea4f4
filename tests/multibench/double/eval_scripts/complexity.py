"""Time, memory and parameters of a training; memory_profiler runs it."""

from memory_profiler import memory_usage


def all_in_one_train(trainprocess, trainmodules):
    print("Training Peak Mem: " + str(max(memory_usage(proc=trainprocess))))
    print("Training Params: " + str(sum(p.numel() for module in trainmodules for p in module.parameters())))
