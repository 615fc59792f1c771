# Many videos, from what people labelled to measured labels for every frame, by make.
#
#   make -f examples/pipeline.mk VIDEOS=videos KEYS=keys TRUTH=truth OUT=out        (pwarp on the PATH; -j 4, -k as ever)
#
# videos/NAME.mp4   the videos; no blanks in their names
# keys/NAME.json    what was labelled of some of them, with track ids or without
# truth/NAME.json   what is right, for some of the labelled ones; leave TRUTH out, and nothing is measured
#
# What is missing, or older than what it is made from, is made: label more frames, and only what hangs on them is made
# again. pwarp gives a file its name when it is whole, so that an interrupted make goes on where it was. With -k a video
# that fails stops no other. To see what would be done: make -n.
#
# out/people/   who is where, of every video            out/findings/  what looks wrong in the labels
# out/dense/    labels for every frame                  out/next/      which frames to label next
# out/report.md how good they are, by TRUTH             out/review/    web pages to look through and correct
VIDEOS ?= videos
KEYS ?= keys
TRUTH ?=
OUT ?= out

PWARP ?= pwarp
DETECTOR ?= auto
EVERY ?= 1
ENGINE ?= auto
NEXT ?= 5

all_videos := $(basename $(notdir $(wildcard $(VIDEOS)/*.mp4)))
labelled := $(filter $(all_videos),$(basename $(notdir $(wildcard $(KEYS)/*.json))))
known := $(if $(TRUTH),$(filter $(labelled),$(basename $(notdir $(wildcard $(TRUTH)/*.json)))))

.PHONY: all people labels
all: people labels $(if $(known),$(OUT)/report.md)
people: $(all_videos:%=$(OUT)/people/%.json)
labels: $(foreach name,$(labelled),$(OUT)/findings/$(name).jsonl $(OUT)/next/$(name).txt $(OUT)/review/$(name).html)

# What lies between is kept; what a command left that failed is not.
.SECONDARY:
.DELETE_ON_ERROR:

folders := $(addprefix $(OUT)/,boxes people keys dense findings next review)
$(folders):
	mkdir -p $@

$(OUT)/boxes/%.jsonl: $(VIDEOS)/%.mp4 | $(folders)
	$(PWARP) detect $< -o $@ --detector $(DETECTOR) --every $(EVERY) --force

$(OUT)/people/%.json: $(VIDEOS)/%.mp4 $(OUT)/boxes/%.jsonl
	$(PWARP) track $^ -o $@ --force

# Labels that say who is who stay as they are.
$(OUT)/keys/%.json: $(VIDEOS)/%.mp4 $(KEYS)/%.json | $(folders)
	$(PWARP) track $^ -o $@ --force

$(OUT)/dense/%.json: $(VIDEOS)/%.mp4 $(OUT)/keys/%.json
	$(PWARP) propagate $^ -o $@ --engine $(ENGINE) --force

$(OUT)/findings/%.jsonl: $(OUT)/dense/%.json $(VIDEOS)/%.mp4
	$(PWARP) check $^ --jsonl > $@

$(OUT)/next/%.txt: $(VIDEOS)/%.mp4 $(OUT)/dense/%.json
	$(PWARP) suggest $^ -n $(NEXT) -o $@ --force

$(OUT)/review/%.html: $(VIDEOS)/%.mp4 $(OUT)/dense/%.json
	$(PWARP) review $^ -o $@ --force

$(OUT)/report.md: $(known:%=$(OUT)/dense/%.json) $(known:%=$(TRUTH)/%.json)
	$(PWARP) eval $(OUT)/dense $(TRUTH) --partial --metric pck --per-video --format markdown > $@
