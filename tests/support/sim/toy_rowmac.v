// A stand-in for the machine with its ports: copies words, adding 1 to each byte.
// Registers: 0 write 1 to start, 0 to clear the interrupt; read: {last response, interrupt}
//            4 source  8 destination  c count of words; writing elsewhere is answered by SLVERR
// FAULT: 1 bursts of 17 beats, 2 last beat not marked, 3 address changes while it waits,
//        4 next read does not wait for the write response, 5 never done, 6 narrow beats,
//        7 crosses 4 KB boundaries, 8 write data changes while it waits
module rowmac #(
    parameter DATA_WIDTH = 64,
    parameter UNITS = `TOY_UNITS,
    parameter FAULT = `TOY_FAULT
) (
    input clk, input rst,
    output reg [31:0] m_axi_araddr, output reg [7:0] m_axi_arlen, output [2:0] m_axi_arsize,
    output [1:0] m_axi_arburst, output [3:0] m_axi_arcache, output [2:0] m_axi_arprot,
    output reg m_axi_arvalid, input m_axi_arready,
    input [DATA_WIDTH-1:0] m_axi_rdata, input [1:0] m_axi_rresp, input m_axi_rlast,
    input m_axi_rvalid, output m_axi_rready,
    output reg [31:0] m_axi_awaddr, output reg [7:0] m_axi_awlen, output [2:0] m_axi_awsize,
    output [1:0] m_axi_awburst, output [3:0] m_axi_awcache, output [2:0] m_axi_awprot,
    output reg m_axi_awvalid, input m_axi_awready,
    output [DATA_WIDTH-1:0] m_axi_wdata, output [DATA_WIDTH/8-1:0] m_axi_wstrb, output m_axi_wlast,
    output m_axi_wvalid, input m_axi_wready,
    input [1:0] m_axi_bresp, input m_axi_bvalid, output m_axi_bready,
    input [11:0] s_axil_awaddr, input [2:0] s_axil_awprot, input s_axil_awvalid,
    output s_axil_awready, input [31:0] s_axil_wdata, input [3:0] s_axil_wstrb,
    input s_axil_wvalid, output s_axil_wready, output reg [1:0] s_axil_bresp,
    output reg s_axil_bvalid, input s_axil_bready,
    input [11:0] s_axil_araddr, input [2:0] s_axil_arprot, input s_axil_arvalid,
    output s_axil_arready, output reg [31:0] s_axil_rdata, output reg [1:0] s_axil_rresp,
    output reg s_axil_rvalid, input s_axil_rready,
    output reg interrupt, output reg [UNITS-1:0] event_start, output reg [UNITS-1:0] event_done,
    output reg [16*UNITS-1:0] event_tag
);
    localparam BYTES = DATA_WIDTH / 8;
    localparam IDLE = 0, AR = 1, R = 2, AW = 3, W = 4, B = 5;
    reg [2:0] state, was;
    reg [31:0] source, destination, count, beat, n;
    reg [1:0] response;
    reg [DATA_WIDTH-1:0] buffer [0:31];
    reg [DATA_WIDTH-1:0] sum;
    reg toggle;
    integer i;

    wire [31:0] limit = FAULT == 1 ? 17 : 16;
    wire [31:0] room = FAULT == 7 ? 16 : (4096 - (source & 4095)) / BYTES;
    wire [31:0] room2 = FAULT == 7 ? 16 : (4096 - (destination & 4095)) / BYTES;
    wire [31:0] most = room < room2 ? room : room2;
    wire [31:0] part = count < (most < limit ? most : limit) ? count : (most < limit ? most : limit);

    assign m_axi_arsize = FAULT == 6 ? 0 : $clog2(BYTES);
    assign m_axi_awsize = $clog2(BYTES);
    assign m_axi_arburst = 1;
    assign m_axi_awburst = 1;
    assign m_axi_arcache = 3;
    assign m_axi_awcache = 3;
    assign m_axi_arprot = 0;
    assign m_axi_awprot = 0;
    assign m_axi_rready = state == R;
    assign m_axi_wvalid = state == W;
    assign m_axi_wdata = buffer[beat[4:0]] ^ (FAULT == 8 && toggle ? 1 : 0);
    assign m_axi_wstrb = ~0;
    assign m_axi_wlast = beat + 1 == n && FAULT != 2;
    assign m_axi_bready = state == B || FAULT == 4;
    assign s_axil_awready = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
    assign s_axil_wready = s_axil_awready;
    assign s_axil_arready = !s_axil_rvalid;
    always @* begin
        event_tag = '0;
        event_start = '0;
        event_done = '0;
        event_tag[79:0] = {16'd44, 16'd33, 16'd22, 16'd11, count[15:0]};
        event_start[4:0] = {state == B && was != B, 3'd0, state == R && was == AR};
        event_done[4:0] = {state != B && was == B, 3'd0, state == AW && was == R};
    end

    always @(posedge clk) begin
        was <= state;
        toggle <= !toggle;
        if (s_axil_awready) begin
            s_axil_bvalid <= 1;
            s_axil_bresp <= 0;
            case (s_axil_awaddr)
                0: begin
                    interrupt <= 0;
                    if (s_axil_wdata[0]) begin
                        response <= 0;
                        state <= FAULT == 5 ? IDLE : AR;
                        m_axi_arvalid <= FAULT != 5;
                        m_axi_araddr <= source;
                        m_axi_arlen <= part - 1;
                        n <= part;
                    end
                end
                4: source <= s_axil_wdata;
                8: destination <= s_axil_wdata;
                12: count <= s_axil_wdata;
                default: s_axil_bresp <= 2;
            endcase
        end
        if (s_axil_bvalid && s_axil_bready) s_axil_bvalid <= 0;
        if (s_axil_arvalid && s_axil_arready) begin
            s_axil_rvalid <= 1;
            s_axil_rresp <= s_axil_araddr > 12 ? 3 : 0;
            case (s_axil_araddr)
                0: s_axil_rdata <= {29'd0, response, interrupt};
                4: s_axil_rdata <= source;
                8: s_axil_rdata <= destination;
                default: s_axil_rdata <= count;
            endcase
        end
        if (s_axil_rvalid && s_axil_rready) s_axil_rvalid <= 0;
        case (state)
            AR: if (m_axi_arready) begin
                m_axi_arvalid <= 0;
                beat <= 0;
                state <= R;
            end else if (FAULT == 3) m_axi_araddr <= m_axi_araddr + 8;
            R: if (m_axi_rvalid) begin
                for (i = 0; i < BYTES; i = i + 1) sum[8*i+:8] = m_axi_rdata[8*i+:8] + 1;
                buffer[beat[4:0]] <= sum;
                response <= response | m_axi_rresp;
                beat <= beat + 1;
                if (m_axi_rlast) begin
                    beat <= 0;
                    m_axi_awvalid <= 1;
                    m_axi_awaddr <= destination;
                    m_axi_awlen <= n - 1;
                    state <= AW;
                end
            end
            AW: if (m_axi_awready) begin
                m_axi_awvalid <= 0;
                state <= W;
            end
            W: if (m_axi_wready) begin
                beat <= beat + 1;
                if (beat + 1 == n) begin
                    state <= B;
                    source <= source + n * BYTES;
                    destination <= destination + n * BYTES;
                    count <= count - n;
                end
            end
            B: if (m_axi_bvalid || FAULT == 4) begin
                response <= response | m_axi_bresp;
                if (count == 0 && m_axi_bvalid) begin
                    state <= IDLE;
                    interrupt <= 1;
                end else if (count != 0) begin
                    state <= AR;
                    m_axi_arvalid <= 1;
                    m_axi_araddr <= source;
                    m_axi_arlen <= part - 1;
                    n <= part;
                end
            end
            default: ;
        endcase
        if (rst) begin
            state <= IDLE;
            {interrupt, m_axi_arvalid, m_axi_awvalid, s_axil_bvalid, s_axil_rvalid, toggle} <= 0;
        end
    end
endmodule
