/** Colours of phases, by their place in the order of the run. */
export const PHASE_VARS = ["--phase-1", "--phase-2", "--phase-3", "--phase-4", "--phase-5", "--phase-6"] as const;
