// Records when the units of a machine start and end a piece of work; not for synthesis.
//
// In each cycle, every unit may report one end (of what it began in an earlier cycle) and one
// start; both carry the unit's present tag. `dump` (for one clock cycle) writes the records to
// events-<file>.bin and empties the log. A record has eight bytes, lowest byte first:
//   0-3 cycle    4-5 tag    6 unit    7 kind: 0 end, 1 start
// `lost` counts events for which there was no room.
module event_log #(
    parameter UNITS = 1,
    parameter DEPTH = 65536 // records
) (
    input clk,
    input rst,
    input [31:0] cycle,
    input [UNITS-1:0] start,
    input [UNITS-1:0] done,
    input [16*UNITS-1:0] tag,
    input dump,
    input [31:0] file,
    output reg [31:0] count,
    output reg [31:0] lost
);
    // Blocking assignments in a clocked process: several records may be added in one cycle.
    /* verilator lint_off BLKSEQ */
    reg [63:0] records [0:DEPTH-1];
    integer unit, kind, record, handle;
    reg [8*32-1:0] name;

    always @(posedge clk) begin
        if (|start || |done)
            for (kind = 0; kind < 2; kind = kind + 1)
                for (unit = 0; unit < UNITS; unit = unit + 1)
                    if (kind == 0 ? done[unit] : start[unit]) begin
                        if (count < DEPTH) begin
                            records[$clog2(DEPTH)'(count)] =
                                {8'(kind), 8'(unit), tag[16*unit+:16], cycle};
                            count = count + 1;
                        end else lost = lost + 1;
                    end
        if (dump) begin
            $sformat(name, "events-%0d.bin", file);
            handle = $fopen(name, "wb");
            for (record = 0; record < count; record = record + 1)
                $fwrite(handle, "%u", records[$clog2(DEPTH)'(record)]);
            $fclose(handle);
        end
        if (rst || dump) begin
            count = 0;
            lost = 0;
        end
    end
endmodule
