"""Results that came without Snakemake's records."""

import os

from fsdiff.study.results import adopt


def test_measurements_of_shards_that_are_gone_are_as_old_as_what_is_kept(tmp_path, capsys):
    """Else what the shards were made from is younger, and all that they became is made again."""
    measured = {name: tmp_path / f"{name}.tsv" for name in ("shard", "damaged")}
    for path in measured.values():
        path.write_text("s\n1.0\n")
        os.utime(path, (0, 0))
    damaged = tmp_path / "damaged.nc"
    damaged.write_bytes(b"\x89HDF\r\n\x1a\n")
    outputs = {"shard": tmp_path / "0-3.shard.safetensors", "damaged": damaged}
    adopt(
        {"outputs": [str(outputs[name])], "beside": [str(measured[name])], "lineage": name}
        for name in measured
    )
    assert "0 files are kept, 1 do not fit" in capsys.readouterr().out
    assert measured["shard"].stat().st_mtime > 0
    assert measured["damaged"].stat().st_mtime == 0
