# For those who have make: each target is a command of course.py, which runs everywhere. See README.md.
# PROFILE=full chooses the profile, PYTHON=/path/to/python3.12 another interpreter; FROM=nothing lets verify train all.
# REPO=owner/name is the address that links writes.
COMMANDS = notebooks test stress bench compat lab verify links handout site report clean
START = $(or $(PYTHON),$(if $(filter Windows_NT,$(OS)),py,python3))

.PHONY: $(COMMANDS)

$(COMMANDS):
	@$(START) course.py $@ $(if $(filter command,$(origin PROFILE)),--profile $(PROFILE)) $(if $(PYTHON),--python $(PYTHON)) \
	  $(if $(filter $@,verify),$(if $(FROM),--from $(FROM))) $(if $(filter $@,links),$(if $(REPO),--repo $(REPO)))
