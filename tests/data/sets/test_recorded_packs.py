"""The packs of recorded neurons, connectomes, bodies, motion, series and tables."""

import numpy as np
import pytest

from ranvier.core.errors import ConfigError, FormatError, UnknownNameError
from ranvier.data import Loader, same
from ranvier.data.sets import (
    celegans,
    modelnet10_voxels,
    neural_hippocampus,
    neural_human_mtl,
    neural_zebrafish_calcium,
    optical_flow,
    tables,
    timeseries,
)

SPIKES = {"spike_times": np.array([0.5, 1.0, 2.0, 0.25, 0.5]), "offsets": np.array([0, 3, 3, 5])}


def maze(**changes):
    places = {"pos_t": np.array([0.0, 1.0]), "pos_x": np.array([7, 8], np.uint16), "pos_y": np.array([9, 1], np.uint16)}
    return {**SPIKES, **places, **changes}


def test_spikes_are_in_milliseconds_by_unit(home):
    np.savez(home("neural_hippocampus") / "w_maze.npz", **maze())
    made = neural_hippocampus.load("w_maze")
    assert [made.trains[i].tolist() for i in range(3)] == [[500, 1000, 2000], [], [250, 500]]
    assert made.trains[-1].tolist() == [250, 500]
    with pytest.raises(IndexError):
        made.trains[3]
    assert made.trains.counts(np.array([0.0, 500.0, 1000.0, 2000.0])).tolist() == [[0, 0, 1], [1, 0, 1], [1, 0, 0]]
    assert (made.t.tolist(), made.x.tolist()) == ([0, 1000], [7, 8])
    with pytest.raises(ConfigError, match="expected a maze: linear_track, w_maze, got 'open_field'"):
        neural_hippocampus.load("open_field")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spike_times": np.array([0.5, 0.4, 2.0, 0.25, 0.5])}, "expected finite times that rise within each unit"),
        ({"spike_times": np.array([0.5, np.nan, 2.0, 0.25, 0.5])}, "expected finite times"),
        ({"offsets": np.array([0, 3, 6])}, "expected rising offsets from 0 to 5"),
        ({"pos_t": np.zeros(3)}, "expected arrays of one length"),
    ],
)
def test_broken_spike_trains_are_refused(home, changes, words):
    np.savez(home("neural_hippocampus") / "linear_track.npz", **maze(**changes))
    with pytest.raises(FormatError, match=words):
        neural_hippocampus.load()


def test_tables_of_trials_stand_by_task(home):
    folder = home("neural_human_mtl")
    pack = {
        **SPIKES, "unit_region": np.array(["a", "b", "a"]), "event_code": np.array([3, 4], np.int8), "event_t": np.array([1.0, 2.0]),
        "encoding_id": np.arange(2), "encoding_start_time": np.array([0.5, 1.5]), "recognition_RT": np.ones(3), "other": np.ones(1),
    }  # fmt: skip
    np.savez(folder / neural_human_mtl.PACK, **pack)
    made = neural_human_mtl.load()
    assert made.regions == ("a", "b", "a")
    assert {task: sorted(columns) for task, columns in made.trials.items()} == {
        "encoding": ["id", "start_time"], "recognition": ["RT"], "timediscrimination": [],
    }  # fmt: skip
    assert made.event_times.tolist() == [1000, 2000]
    np.savez(folder / neural_human_mtl.PACK, **{**pack, "unit_region": np.array(["a"])})
    with pytest.raises(FormatError, match="unit_region: expected 3 regions, got 1"):
        neural_human_mtl.load()


def test_cells_of_assemblies_count_from_zero(home):
    folder = home("neural_zebrafish_calcium")
    pack = {
        "activity": np.arange(6, dtype=np.float32).reshape(3, 2), "cell_xy": np.zeros((3, 2), np.float32),
        "assembly_members": np.array([1, 3, 2], np.int16), "assembly_offsets": np.array([0, 2, 3]),
    }  # fmt: skip
    np.savez(folder / neural_zebrafish_calcium.PACK, **pack)
    made = neural_zebrafish_calcium.load()
    assert made.activity_TN.tolist() == [[0, 2, 4], [1, 3, 5]]
    assert [cells.tolist() for cells in made.assemblies] == [[0, 2], [1]]
    np.savez(folder / neural_zebrafish_calcium.PACK, **{**pack, "assembly_members": np.array([0, 3, 2])})
    with pytest.raises(FormatError, match="members from 1 to 3"):
        neural_zebrafish_calcium.load()


def test_a_connectome_is_a_matrix_and_a_list(home):
    folder = home("celegans")
    pack = {
        "varshney_names": np.array(["A", "B"]), "varshney_chem": np.array([[0, 2], [0, 0]], np.float32),
        "varshney_gap": np.array([[0, 1], [1, 0]], np.float32), "cook_source": np.array(["A"]), "cook_target": np.array(["B"]),
        "cook_weight": np.array([2], np.float32), "cook_type": np.array(["chemical"]),
    }  # fmt: skip
    np.savez(folder / celegans.PACK, **pack)
    made = celegans.load()
    assert made.chemical_NM[made.names.index("A"), made.names.index("B")] == 2
    assert celegans.edges() == [("A", "B", "chemical", 2.0)]
    (folder / "aconnectome_white_1986_whole.csv").write_text("pre\tpost\ttype\tsynapses\nA\tB\telectrical\t3\n\n")
    (folder / "esconnectome_monoamines_Bentley_2016.csv").write_text("#a, b, c, d\nA,B,dopamine,dop-1\n")
    assert celegans.edges("white") == [("A", "B", "electrical", 3.0)]
    assert celegans.edges("monoamines") == [("A", "B", "dopamine", 1.0)]
    with pytest.raises(ConfigError, match="expected a study: cook, white"):
        celegans.edges("black")
    (folder / "aconnectome_white_1986_whole.csv").write_text("pre\tpost\ttype\tsynapses\nA\tB\telectrical\tx\n")
    with pytest.raises(FormatError, match="line 2: expected a connection of four columns"):
        celegans.edges("white")
    np.savez(folder / celegans.PACK, **{**pack, "varshney_gap": pack["varshney_chem"]})
    with pytest.raises(FormatError, match="gap junctions symmetric"):
        celegans.load()


def test_bodies_are_unpacked_when_asked_for(home):
    body = np.zeros((32, 32, 32), np.uint8)
    body[1, 2, 3] = body[31, 31, 31] = 1
    bits = np.packbits(body.reshape(1, -1), axis=1)
    pack = {f"{split}_{name}": bits for split in ("train", "test") for name in ("chair", "monitor")}
    folder = home("modelnet10_voxels")
    np.savez(folder / modelnet10_voxels.PACK, **pack, voxel_shape=np.array([32, 32, 32]))
    made = modelnet10_voxels.load("test")
    assert made.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(made[1][0][0], body)
    assert made.take(np.array([1])).labels.tolist() == [1]
    np.savez(folder / modelnet10_voxels.PACK, **{**pack, "test_chair": bits[:, :-1]})
    with pytest.raises(FormatError, match=r"expected uint8 \(N, 4096\)"):
        modelnet10_voxels.load("test")


def test_a_sequence_of_motion_is_events(home):
    folder = home("optical_flow")
    pack = {
        "bar_x": np.array([1, 239], np.uint8),
        "bar_y": np.array([0, 179], np.uint8),
        "bar_p": np.array([0, 1], np.uint8),
    }
    np.savez(folder / optical_flow.PACK, **pack, bar_t=np.array([5, 6], np.uint32))
    made = optical_flow.load("bar")
    assert (made.t.tolist(), made.x.tolist(), made.size) == ([5, 6], [1, 239], (180, 240))
    with pytest.raises(UnknownNameError, match="got 'bars'. Did you mean 'bar'"):
        optical_flow.load("bars")
    np.savez(folder / optical_flow.PACK, **pack, bar_t=np.array([6, 5], np.uint32))
    with pytest.raises(FormatError, match="bar: Events, event 1: expected a time >= 6 us"):
        optical_flow.load("bar")


def ucr(**changes):
    values = np.full((2, 1, 4), np.nan, np.float32)
    values[0, 0, :] = [1, 2, 3, 4]
    values[1, 0, :2] = [5, 6]
    pack = {}
    for split in ("train", "test"):
        pack |= {
            f"Some_{split}_x": values,
            f"Some_{split}_y": np.array([0, 1]),
            f"Some_{split}_len": np.array([4, 2], np.int16),
        }
    return {**pack, **changes}


def test_short_sequences_are_padded_and_say_how_long_they_are(home):
    folder = home("timeseries")
    np.savez(folder / timeseries.UCR, **ucr())
    made = timeseries.load("test", name="Some")
    assert made.values[:, :, 0].tolist() == [[1, 2, 3, 4], [5, 6, 0, 0]]
    assert made.lengths.tolist() == [4, 2]
    x_TBC, _ = next(Loader(samples=made, encode=same, batch_size=2, shuffle=False).batches(0))
    assert x_TBC.shape == (4, 2, 1)
    with pytest.raises(UnknownNameError, match="got 'some'. Did you mean 'Some'"):
        timeseries.load("test", name="some")
    np.savez(folder / timeseries.UCR, **ucr(Some_test_len=np.array([4, 3], np.int16)))
    with pytest.raises(FormatError, match="NaN after it"):
        timeseries.load("test", name="Some")


def test_movements_are_split_by_rooms(home):
    folder = home("timeseries")
    pack = {
        "rss": np.arange(24, dtype=np.float32).reshape(6, 4), "offsets": np.array([0, 2, 3, 6]),
        "labels": np.array([0, 1, 1], np.uint8), "ids": np.arange(3), "group": np.array([1, 3, 2], np.uint8),
    }  # fmt: skip
    np.savez(folder / timeseries.MOVEMENT, **pack)
    train, test = timeseries.movement("train"), timeseries.movement("test")
    assert (train.groups.tolist(), test.groups.tolist()) == ([1, 2], [3])
    assert (train.lengths.tolist(), test.lengths.tolist()) == ([2, 3], [1])
    assert train.values.shape == (2, 3, 4)
    assert train[0][0][:, 0].tolist() == [0, 4, 0]
    assert test[0][0][0].tolist() == [8, 9, 10, 11]


def test_a_series_is_read_by_name(home):
    np.savez(home("timeseries") / timeseries.FORECAST, monthly_sunspots=np.arange(3, dtype=np.float32))
    assert timeseries.forecast().tolist() == [0, 1, 2]
    with pytest.raises(UnknownNameError, match="expected a known series"):
        timeseries.forecast("airline_passengers")


def test_a_table_is_read_by_name(home):
    folder = home("tables")
    pack = {"iris_x": np.ones((2, 4), np.float32), "iris_y": np.array([0, 1], np.uint8)}
    np.savez(folder / tables.PACK, **pack)
    assert tables.names() == ("iris",)
    assert tables.load().features.shape == (2, 4)
    with pytest.raises(UnknownNameError, match="got 'irises'. Did you mean 'iris'"):
        tables.load("irises")
    np.savez(folder / tables.PACK, **{**pack, "iris_x": np.full((2, 4), np.inf, np.float32)})
    with pytest.raises(FormatError, match="expected finite features"):
        tables.load()


def test_the_real_place_cells_prefer_places(real):
    real("neural_hippocampus", "linear_track.npz", "w_maze.npz")
    made = neural_hippocampus.load("linear_track")
    assert len(made.trains) == 31
    assert len(neural_hippocampus.load("w_maze").trains) == 25
    moments, seen = np.histogram(made.x, 10)[0] / 60, []  # s, the video has about 60 frames a second
    for unit in range(31):
        fired = np.interp(made.trains[unit], made.t, made.x)
        rate = np.histogram(fired, np.histogram(made.x, 10)[1])[0] / np.maximum(moments, 1)
        seen.append(rate.max() / max(rate.mean(), 1e-9))
    assert max(seen) > 3  # some fire in a few places only
    assert np.median(made.trains.counts(np.arange(made.t[0], made.t[-1], 1000.0)).mean(0)) < 10


def test_the_other_real_recordings_are_read(real):
    real("neural_human_mtl", neural_human_mtl.PACK)
    human = neural_human_mtl.load()
    assert (len(human.trains), len(human.trains.times)) == (35, 214_278)
    assert set(human.regions) == {"hippocampus_right", "amygdala_right"}
    assert [len(columns["id"]) for columns in human.trials.values()] == [90, 180, 180]
    calcium = neural_zebrafish_calcium.load()
    assert calcium.activity_TN.shape == (4245, 114)
    inside = np.corrcoef(calcium.activity_TN[:, calcium.assemblies[0]].T)
    assert np.median(inside) > np.median(np.corrcoef(calcium.activity_TN.T))  # members of an assembly act together


def test_the_real_worm_is_wired_as_published(real):
    real("celegans", celegans.PACK)
    made = celegans.load()
    assert made.chemical_NM.sum() == 6394  # frozen from the pack
    assert made.gap_NM.sum() / 2 == 888.5
    assert len(celegans.edges()) == 7379
    pairs = {(edge.source, edge.target) for edge in celegans.edges("white") if edge.kind == "chemical"}
    assert ("AVAL", "VA08") in pairs or ("AVAL", "VA8") in pairs  # command neurons drive motor neurons


def test_the_other_real_packs_are_read(real):
    real("modelnet10_voxels", modelnet10_voxels.PACK)
    assert [len(modelnet10_voxels.load(split)) for split in ("train", "test")] == [1016, 204]
    assert [len(optical_flow.load(name)) for name in optical_flow.SEQUENCES] == [
        16000,
        10000,
        10000,
        45000,
        162771,
        203721,
    ]
    assert [len(timeseries.load("test", name=name)) for name in timeseries.NAMES] == [150, 1029, 175, 242, 40, 370]
    assert len(timeseries.movement("train")) + len(timeseries.movement("test")) == 314
    assert [len(tables.load(name).labels) for name in tables.names()] == [351, 208, 1372, 210, 150, 214, 336]
