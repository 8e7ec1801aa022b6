// A memory behind an AXI4 slave port, living in the simulator; not for synthesis.
//
// Transfers: full-width INCR bursts, in order, without IDs. Each of the five channels stalls at
// random, by a probability that can be changed at any time. The model is as unkind as the standard
// allows: written data is stored when the response is offered, not before; read data is taken
// either when the burst is requested or when the beat is offered (by chance, see `early`); write
// data is taken only after its address. So a master that does not wait for what it must wait for
// computes something wrong.
//
// Time: `read_latency` and `write_latency` cycles, `max_reads` and `max_writes` bursts under way, and
// `rate` beats in 256 cycles. Reads and writes share the rate, as behind a port they share the data
// bus of the memory: a bucket gains `rate` a cycle and a beat takes 256 of it; it holds what a burst
// of 16 takes, so that a port that was idle catches up as much. With room for one beat only, reads
// and writes that wait take turns.
//
// Responses: DECERR outside of the memory; FAULT_* within a range that can be set. Data of a write
// burst with an error response is dropped.
//
// Rules broken by the master end in `violation`, which keeps the first one's number:
//   1 burst crosses a 4 KB boundary       2 burst is not INCR
//   3 beats are not as wide as the bus    4 address is not aligned to the bus
//   5 more than MAX_BEATS beats           6 read address changed while it waited
//   7 write address changed               8 write data changed
//   9 last write beat not marked, or another one marked
//
// Back door (in one clock cycle each): `load` fills the memory from word `load_word` with the file
// load-<file>.bin, each word with its highest byte first; `dump` writes `dump_words` words from
// `dump_word` to dump-<file>.bin, each with its lowest byte first.
module axi_ram #(
    parameter DATA_WIDTH = 64,
    parameter MEMORY_BYTES = 1 << 20,
    parameter MAX_BEATS = 16,
    parameter QUEUE = 32 // bursts that wait in each direction at most, a power of two
) (
    input clk,
    input rst,

    input [31:0] s_axi_araddr,
    input [7:0] s_axi_arlen,
    input [2:0] s_axi_arsize,
    input [1:0] s_axi_arburst,
    input s_axi_arvalid,
    output s_axi_arready,
    output reg [DATA_WIDTH-1:0] s_axi_rdata,
    output reg [1:0] s_axi_rresp,
    output reg s_axi_rlast,
    output reg s_axi_rvalid,
    input s_axi_rready,
    input [31:0] s_axi_awaddr,
    input [7:0] s_axi_awlen,
    input [2:0] s_axi_awsize,
    input [1:0] s_axi_awburst,
    input s_axi_awvalid,
    output s_axi_awready,
    input [DATA_WIDTH-1:0] s_axi_wdata,
    input [DATA_WIDTH/8-1:0] s_axi_wstrb,
    input s_axi_wlast,
    input s_axi_wvalid,
    output s_axi_wready,
    output reg [1:0] s_axi_bresp,
    output reg s_axi_bvalid,
    input s_axi_bready,

    input [31:0] read_latency,  // cycles from a read address to the first beat, at least 1
    input [31:0] write_latency, // cycles from the last write beat to the response, at least 1
    input [7:0] max_reads,      // bursts that wait in each direction, 1 to QUEUE
    input [7:0] max_writes,
    input [15:0] rate,          // beats in 256 cycles, reads and writes together; from 512 on, all

    // Probabilities in 1/256 a cycle (or, `early`, a burst), and where the random numbers start
    // (over, whenever it changes).
    input [7:0] stall_ar,
    input [7:0] stall_r,
    input [7:0] stall_aw,
    input [7:0] stall_w,
    input [7:0] stall_b,
    input [7:0] early,
    input [31:0] seed,
    // Responses of beats between two addresses, both inclusive; 0 is none.
    input [31:0] fault_first,
    input [31:0] fault_last,
    input [1:0] fault_read,
    input [1:0] fault_write,

    input load,
    input dump,
    input [31:0] file,
    input [31:0] load_word,
    input [31:0] dump_word,
    input [31:0] dump_words,

    output reg [31:0] loaded, // bytes that the last load has read
    output reg [3:0] violation,
    output reg [31:0] violation_address,
    output reg [31:0] read_bursts,
    output reg [31:0] read_beats,
    output reg [31:0] write_bursts,
    output reg [31:0] write_beats
);
    localparam BYTES = DATA_WIDTH / 8;
    localparam SIZE = $clog2(BYTES);
    localparam WORDS = MEMORY_BYTES / BYTES;
    localparam INDEX = $clog2(WORDS);
    localparam SLOT = $clog2(QUEUE);
    localparam BEAT = $clog2(MAX_BEATS);
    localparam [1:0] DECERR = 2'd3;

    // Blocking assignments in clocked processes: the memory is also written by $fread, and a
    // memory may be written in one way only.
    /* verilator lint_off BLKSEQ */
    reg [DATA_WIDTH-1:0] memory [0:WORDS-1];

    reg [31:0] now;
    reg [31:0] seeded;
    reg [63:0] random;
    wire [63:0] random_a = random ^ (random << 13);
    wire [63:0] random_b = random_a ^ (random_a >> 7);

    always @(posedge clk) begin
        now <= rst ? 32'd0 : now + 32'd1;
        seeded <= seed;
        random <= rst || seed != seeded ? {seed, ~seed} : random_b ^ (random_b << 17);
    end

    function outside(input [31:0] address);
        outside = {1'b0, address} >= 33'(MEMORY_BYTES);
    endfunction

    function [1:0] response(input [31:0] address, input [1:0] fault);
        if (outside(address)) response = DECERR;
        else if (address >= fault_first && address <= fault_last) response = fault;
        else response = 2'd0;
    endfunction

    function [INDEX-1:0] index(input [31:0] address);
        index = INDEX'(address >> SIZE);
    endfunction

    function [3:0] broken(input [31:0] address, input [7:0] len, input [2:0] size,
                          input [1:0] burst);
        if (32'(len) >= MAX_BEATS) broken = 4'd5;
        else if (burst != 2'd1) broken = 4'd2;
        else if (size != 3'(SIZE)) broken = 4'd3;
        else if (address % BYTES != 0) broken = 4'd4;
        else if (32'(address[11:0]) + (32'(len) + 1) * BYTES > 4096) broken = 4'd1;
        else broken = 4'd0;
    endfunction

    // ---- Rate -----------------------------------------------------------------------------------
    localparam [15:0] BEAT_COST = 16'd256, FULL = 16 * BEAT_COST;
    reg [15:0] bucket;
    reg wrote; // the last beat was written: a read is next if there is room for one only
    wire [15:0] filled = bucket + rate > FULL ? FULL : bucket + rate;
    wire for_two = filled >= 2 * BEAT_COST;
    wire for_one = filled >= BEAT_COST;
    wire r_wants = (!s_axi_rvalid || s_axi_rready) && r_ready;
    wire w_wants = s_axi_wvalid && w_ready;
    wire r_may = r_wants && (for_two || (for_one && (wrote || !w_wants)));
    wire w_may = w_ready && (for_two || (for_one && !(r_wants && wrote)));
    wire w_goes = s_axi_wvalid && w_may;

    always @(posedge clk) begin
        bucket <= rst ? FULL : filled - (r_may ? BEAT_COST : 0) - (w_goes ? BEAT_COST : 0);
        if (r_may || w_goes) wrote <= w_goes;
        if (rst) wrote <= 0;
    end

    // ---- Reads ----------------------------------------------------------------------------------
    reg [31:0] ar_address [0:QUEUE-1];
    reg [7:0] ar_len [0:QUEUE-1];
    reg [31:0] ar_due [0:QUEUE-1];
    reg ar_early [0:QUEUE-1];
    reg [DATA_WIDTH-1:0] ar_data [0:QUEUE*MAX_BEATS-1];
    reg [SLOT:0] ar_put, ar_got;
    reg [BEAT-1:0] r_beat;
    integer r;

    wire [SLOT-1:0] ar_slot = ar_got[SLOT-1:0];
    wire [31:0] r_address = ar_address[ar_slot] + 32'(r_beat) * BYTES;
    wire [7:0] r_len = ar_len[ar_slot];
    wire [SLOT:0] ar_kept = ar_put - ar_got;
    wire r_ready = ar_put != ar_got && now >= ar_due[ar_slot] && random[15:8] >= stall_r;
    assign s_axi_arready = !rst && 8'(ar_kept) < max_reads && random[7:0] >= stall_ar;

    always @(posedge clk) begin
        if (s_axi_arvalid && s_axi_arready) begin
            ar_address[ar_put[SLOT-1:0]] = s_axi_araddr;
            ar_len[ar_put[SLOT-1:0]] = s_axi_arlen;
            ar_due[ar_put[SLOT-1:0]] = now + read_latency - 1;
            ar_early[ar_put[SLOT-1:0]] = random[47:40] < early;
            if (random[47:40] < early)
                for (r = 0; r < MAX_BEATS; r = r + 1)
                    ar_data[{ar_put[SLOT-1:0], BEAT'(r)}] = memory[index(s_axi_araddr + r * BYTES)];
            ar_put <= ar_put + 1;
            read_bursts <= read_bursts + 1;
        end
        if (s_axi_rvalid && s_axi_rready) begin
            s_axi_rvalid <= 0;
            read_beats <= read_beats + 1;
        end
        if (r_may) begin
            s_axi_rvalid <= 1;
            s_axi_rresp <= response(r_address, fault_read);
            s_axi_rlast <= 8'(r_beat) == r_len;
            if (outside(r_address)) s_axi_rdata <= {BYTES{8'hA5}};
            else if (ar_early[ar_slot]) s_axi_rdata <= ar_data[{ar_slot, r_beat}];
            else s_axi_rdata <= memory[index(r_address)];
            r_beat <= r_beat + 1;
            if (8'(r_beat) == r_len) begin
                r_beat <= 0;
                ar_got <= ar_got + 1;
            end
        end
        if (rst) begin
            ar_put <= 0;
            ar_got <= 0;
            r_beat <= 0;
            s_axi_rvalid <= 0;
            read_bursts <= 0;
            read_beats <= 0;
        end
    end

    // ---- Writes: addresses, then data, then responses, each by its own pointer into one queue ----
    reg [31:0] aw_address [0:QUEUE-1];
    reg [7:0] aw_len [0:QUEUE-1];
    reg [31:0] aw_due [0:QUEUE-1];
    reg [1:0] aw_response [0:QUEUE-1];
    reg [DATA_WIDTH-1:0] aw_data [0:QUEUE*MAX_BEATS-1];
    reg [BYTES-1:0] aw_strobes [0:QUEUE*MAX_BEATS-1];
    reg [SLOT:0] aw_put, aw_filled, aw_got;
    reg [BEAT-1:0] w_beat;
    reg [DATA_WIDTH-1:0] merged;
    integer w, s;

    wire [SLOT-1:0] w_slot = aw_filled[SLOT-1:0];
    wire [SLOT-1:0] b_slot = aw_got[SLOT-1:0];
    wire [1:0] w_response = response(aw_address[w_slot] + 32'(w_beat) * BYTES, fault_write);
    wire w_last = 8'(w_beat) == aw_len[w_slot];
    wire b_may = aw_filled != aw_got && now >= aw_due[b_slot] && random[39:32] >= stall_b;
    wire [SLOT:0] aw_kept = aw_put - aw_got;
    wire w_ready = !rst && aw_put != aw_filled && random[31:24] >= stall_w;
    assign s_axi_awready = !rst && 8'(aw_kept) < max_writes && random[23:16] >= stall_aw;
    assign s_axi_wready = w_may;

    always @(posedge clk) begin
        if (s_axi_awvalid && s_axi_awready) begin
            aw_address[aw_put[SLOT-1:0]] = s_axi_awaddr;
            aw_len[aw_put[SLOT-1:0]] = s_axi_awlen;
            aw_response[aw_put[SLOT-1:0]] = 0;
            aw_put <= aw_put + 1;
            write_bursts <= write_bursts + 1;
        end
        if (s_axi_wvalid && s_axi_wready) begin
            aw_data[{w_slot, w_beat}] = s_axi_wdata;
            aw_strobes[{w_slot, w_beat}] = s_axi_wstrb;
            aw_response[w_slot] = aw_response[w_slot] | w_response;
            write_beats <= write_beats + 1;
            w_beat <= w_beat + 1;
            if (w_last) begin
                w_beat <= 0;
                aw_due[w_slot] = now + write_latency - 1;
                aw_filled <= aw_filled + 1;
            end
        end
        if (s_axi_bvalid && s_axi_bready) s_axi_bvalid <= 0;
        if ((!s_axi_bvalid || s_axi_bready) && b_may) begin
            s_axi_bvalid <= 1;
            s_axi_bresp <= aw_response[b_slot];
            aw_got <= aw_got + 1;
            if (aw_response[b_slot] == 0)
                for (w = 0; w < MAX_BEATS; w = w + 1)
                    if (w <= 32'(aw_len[b_slot])) begin
                        merged = memory[index(aw_address[b_slot] + w * BYTES)];
                        for (s = 0; s < BYTES; s = s + 1)
                            if (aw_strobes[{b_slot, BEAT'(w)}][s])
                                merged[8*s+:8] = aw_data[{b_slot, BEAT'(w)}][8*s+:8];
                        memory[index(aw_address[b_slot] + w * BYTES)] = merged;
                    end
        end
        if (load) begin
            $sformat(name, "load-%0d.bin", file);
            handle = $fopen(name, "rb");
            loaded = $fread(memory, handle, load_word);
            $fclose(handle);
        end
        if (dump) begin
            $sformat(name, "dump-%0d.bin", file);
            handle = $fopen(name, "wb");
            for (d = dump_word; d < dump_word + dump_words; d = d + 1)
                $fwrite(handle, "%u", memory[INDEX'(d)]);
            $fclose(handle);
        end
        if (rst) begin
            aw_put <= 0;
            aw_filled <= 0;
            aw_got <= 0;
            w_beat <= 0;
            s_axi_bvalid <= 0;
            write_bursts <= 0;
            write_beats <= 0;
        end
    end

    integer handle;
    reg [31:0] d;
    reg [8*32-1:0] name;

    // ---- Rules ----------------------------------------------------------------------------------
    reg ar_waits, aw_waits, w_waits;
    reg [44:0] ar_was, aw_was;
    reg [DATA_WIDTH+BYTES:0] w_was;
    wire [44:0] ar_is = {s_axi_araddr, s_axi_arlen, s_axi_arsize, s_axi_arburst};
    wire [44:0] aw_is = {s_axi_awaddr, s_axi_awlen, s_axi_awsize, s_axi_awburst};
    wire [DATA_WIDTH+BYTES:0] w_is = {s_axi_wdata, s_axi_wstrb, s_axi_wlast};
    wire [3:0] ar_broken = broken(s_axi_araddr, s_axi_arlen, s_axi_arsize, s_axi_arburst);
    wire [3:0] aw_broken = broken(s_axi_awaddr, s_axi_awlen, s_axi_awsize, s_axi_awburst);

    always @(posedge clk) begin
        ar_waits <= s_axi_arvalid && !s_axi_arready && !rst;
        aw_waits <= s_axi_awvalid && !s_axi_awready && !rst;
        w_waits <= s_axi_wvalid && !s_axi_wready && !rst;
        ar_was <= ar_is;
        aw_was <= aw_is;
        w_was <= w_is;
        if (rst) violation <= 0;
        else if (violation == 0) begin
            if (s_axi_arvalid && ar_broken != 0) begin
                violation <= ar_broken;
                violation_address <= s_axi_araddr;
            end else if (s_axi_awvalid && aw_broken != 0) begin
                violation <= aw_broken;
                violation_address <= s_axi_awaddr;
            end else if (ar_waits && !(s_axi_arvalid && ar_is == ar_was)) begin
                violation <= 4'd6;
                violation_address <= s_axi_araddr;
            end else if (aw_waits && !(s_axi_awvalid && aw_is == aw_was)) begin
                violation <= 4'd7;
                violation_address <= s_axi_awaddr;
            end else if (w_waits && !(s_axi_wvalid && w_is == w_was)) begin
                violation <= 4'd8;
                violation_address <= aw_address[w_slot];
            end else if (s_axi_wvalid && s_axi_wready && s_axi_wlast != w_last) begin
                violation <= 4'd9;
                violation_address <= aw_address[w_slot];
            end
        end
    end
endmodule
